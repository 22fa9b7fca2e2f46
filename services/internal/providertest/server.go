// Package providertest is providers for tests. Each speaks a real wire format
// on a loopback port, answers by fixed rules, keeps what it was asked, and
// misbehaves on request: which way is chosen by the model's name. This package
// holds what all of them share, and the one that speaks OpenAI's format, at OpenAI's
// addresses and at Azure's.
package providertest

import (
	"encoding/json"
	"net/http"
	"testing"
)

// Server is a provider that speaks OpenAI's format.
type Server struct{ *Host }

// New starts a server and stops it with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	mux := http.NewServeMux()
	s.Host = NewHost(t, mux)
	mux.HandleFunc("POST /v1/chat/completions", s.Recorded(inBody, s.checked(s.chat)))
	mux.HandleFunc("POST /v1/embeddings", s.Recorded(inBody, s.checked(s.embed)))
	mux.HandleFunc("GET /v1/models", s.models)
	s.azureRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "invalid_request_error", "unknown_url", "")
	})
	return s
}

// BaseURL is where the API begins.
func (s *Server) BaseURL() string { return s.URL + "/v1" }

// inBody finds the model where OpenAI's clients put it.
func inBody(_ *http.Request, body []byte) (model string, stream bool) {
	var head struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	_ = json.Unmarshal(body, &head) // the handler refuses what is no JSON
	return head.Model, head.Stream
}

// OpenAI answers a request as a container with OpenAI's schema does, whatever
// the address: for chat, or for vectors where the body has an input.
func (h *Host) OpenAI(w http.ResponseWriter, r *http.Request, rec *Recorded) {
	var body map[string]json.RawMessage
	s := &Server{h}
	switch err := json.Unmarshal(rec.Body, &body); {
	case err != nil:
		writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_json", "")
	case body["input"] != nil:
		s.embed(w, r, rec)
	default:
		s.chat(w, r, rec)
	}
}

// checked asks for the key and for JSON.
func (s *Server) checked(handle func(http.ResponseWriter, *http.Request, *Recorded)) func(http.ResponseWriter, *http.Request, *Recorded) {
	return func(w http.ResponseWriter, r *http.Request, rec *Recorded) {
		switch {
		case !json.Valid(rec.Body):
			writeError(w, http.StatusBadRequest, "invalid_request_error", "invalid_json", "")
		case s.Key != "" && r.Header.Get("Authorization") != "Bearer "+s.Key:
			writeError(w, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "")
		default:
			handle(w, r, rec)
		}
	}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	WriteJSON(w, http.StatusOK, map[string]any{"object": "list", "data": []any{
		map[string]any{"id": "gpt-4o-mini", "object": "model", "created": created, "owned_by": "openai"},
	}})
}

// writeError answers as the provider does: with a text that repeats the prompt
// and names what only the provider should know.
func writeError(w http.ResponseWriter, status int, kind, code, param string) {
	WriteJSON(w, status, errorBody(kind, code, param))
}

func errorBody(kind, code, param string) map[string]any {
	detail := map[string]any{"message": LeakyText, "type": kind, "code": nil, "param": nil}
	if code != "" {
		detail["code"] = code
	}
	if param != "" {
		detail["param"] = param
	}
	return map[string]any{"error": detail}
}

// refusal is how OpenAI says a misbehaviour.
type refusal struct {
	status            int
	kind, code, param string
}

var refusals = map[string]refusal{
	RateLimited:     {429, "requests", "rate_limit_exceeded", ""},
	ServerError:     {500, "server_error", "", ""},
	Overloaded:      {503, "server_error", "overloaded", ""},
	TimedOut:        {504, "server_error", "", ""},
	Unauthorized:    {401, "invalid_request_error", "invalid_api_key", ""},
	Forbidden:       {403, "invalid_request_error", "unsupported_country_region_territory", ""},
	Missing:         {404, "invalid_request_error", "model_not_found", ""},
	TooLarge:        {413, "invalid_request_error", "request_too_large", ""},
	ContextExceeded: {400, "invalid_request_error", "context_length_exceeded", "messages"},
	ContentFilter:   {400, "invalid_request_error", "content_filter", ""},
	Rejected:        {400, "invalid_request_error", "unsupported_parameter", "max_tokens"},
}

// refuse misbehaves before an answer; it says whether it did.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, model string) bool {
	return s.Refuse(w, r, model, func(behaviour string) bool {
		how, ok := refusals[RetryAfter(w.Header(), behaviour)]
		if !ok {
			return false
		}
		writeError(w, how.status, how.kind, how.code, how.param)
		return true
	})
}

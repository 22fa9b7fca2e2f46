// Package anthropic is a provider for tests that speaks Anthropic's Messages
// API, and refuses what the real one refuses.
package anthropic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// The versions of the API, one of which every request must name. Sampling is no
// longer for clients to set in the later one.
const (
	Version      = "2023-06-01"
	LaterVersion = "2026-10-21"
)

// maxRequest is how large a request may be, in bytes.
const maxRequest = 32 << 20

// Server is the provider.
type Server struct{ *providertest.Host }

// New starts a server and stops it with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	mux := http.NewServeMux()
	s.Host = providertest.NewHost(t, mux)
	mux.HandleFunc("POST /v1/messages", s.Recorded(inBody, s.checked(s.messages)))
	mux.HandleFunc("POST /v1/messages/count_tokens", s.Recorded(inBody, s.checked(s.countTokens)))
	mux.HandleFunc("GET /v1/models", s.Recorded(inBody, s.checked(s.models)))
	mux.HandleFunc("GET /v1/models/{id}", s.Recorded(inBody, s.checked(s.model)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, notFound, "Not found")
	})
	return s
}

// BaseURL is where the API begins; clients add /v1.
func (s *Server) BaseURL() string { return s.URL }

func inBody(_ *http.Request, body []byte) (model string, stream bool) {
	var head struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	_ = json.Unmarshal(body, &head) // the handler refuses what is no JSON
	return head.Model, head.Stream
}

type handler = func(http.ResponseWriter, *http.Request, *providertest.Recorded)

// checked asks for what every request must have.
func (s *Server) checked(handle handler) handler {
	return func(w http.ResponseWriter, r *http.Request, rec *providertest.Recorded) {
		version := r.Header.Get("Anthropic-Version")
		w.Header().Set("Request-Id", requestID)
		w.Header().Set("Anthropic-Organization-Id", "org-fake")
		key, bearer := r.Header.Get("X-Api-Key"), r.Header.Get("Authorization")
		switch {
		case key == "" && bearer == "":
			writeError(w, http.StatusUnauthorized, authentication, "x-api-key header is required")
		case s.Key != "" && key != s.Key && bearer != "Bearer "+s.Key:
			writeError(w, http.StatusUnauthorized, authentication, "invalid x-api-key")
		case version != Version && version != LaterVersion:
			writeError(w, http.StatusBadRequest, invalidRequest, "anthropic-version: header is required")
		case len(rec.Body) > maxRequest:
			writeError(w, http.StatusRequestEntityTooLarge, tooLarge, "Request exceeds the maximum size")
		case r.Method == http.MethodPost && !json.Valid(rec.Body):
			writeError(w, http.StatusBadRequest, invalidRequest, "The request body is not valid JSON")
		case r.Method == http.MethodPost && rec.Model == "":
			writeError(w, http.StatusBadRequest, invalidRequest, "model: Field required")
		case !s.refuse(w, r, rec.Model):
			limits(w.Header(), 999)
			handle(w, r, rec)
		}
	}
}

func (s *Server) messages(w http.ResponseWriter, r *http.Request, rec *providertest.Recorded) {
	req, err := parse(rec.Body, messageMembers)
	if err == nil {
		err = req.checkParameters()
	}
	if err == nil && r.Header.Get("Anthropic-Version") == LaterVersion {
		err = req.checkNoSampling()
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, invalidRequest, err.Error())
		return
	}
	answer := s.answer(req, rec)
	if rec.Stream {
		s.stream(w, r, answer)
		return
	}
	if answer.does(providertest.ErrorFirst) {
		writeError(w, http.StatusOK, overloaded, "Overloaded. "+providertest.LeakyText)
		return
	}
	s.WriteAnswer(w, r, rec.Model, answer.whole())
}

func (s *Server) countTokens(w http.ResponseWriter, _ *http.Request, rec *providertest.Recorded) {
	req, err := parse(rec.Body, countMembers)
	if err != nil {
		writeError(w, http.StatusBadRequest, invalidRequest, err.Error())
		return
	}
	providertest.WriteJSON(w, http.StatusOK, map[string]any{"input_tokens": req.asked.Words})
}

// known are the models that the server lists.
var known = []string{"claude-sonnet-4-5", "claude-haiku-4-5"}

func modelInfo(id string) map[string]any {
	return map[string]any{
		"type": "model", "id": id, "display_name": "Fake " + id, "created_at": "2025-06-15T15:06:40Z",
		"max_input_tokens": 200000, "max_tokens": 64000,
	}
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request, _ *providertest.Recorded) {
	var data []any
	for _, id := range known {
		data = append(data, modelInfo(id))
	}
	providertest.WriteJSON(w, http.StatusOK, map[string]any{
		"data": data, "has_more": false, "first_id": known[0], "last_id": known[len(known)-1],
	})
}

func (s *Server) model(w http.ResponseWriter, r *http.Request, _ *providertest.Recorded) {
	for _, id := range known {
		if id == r.PathValue("id") {
			providertest.WriteJSON(w, http.StatusOK, modelInfo(id))
			return
		}
	}
	writeError(w, http.StatusNotFound, notFound, fmt.Sprintf("model: %s", r.PathValue("id")))
}

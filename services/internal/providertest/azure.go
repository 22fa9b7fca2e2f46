package providertest

import (
	"net/http"
	"strings"
)

// azureRoutes adds the addresses of Azure OpenAI: deployments with a dated
// version, and the undated ones that are like OpenAI's.
func (s *Server) azureRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /openai/deployments/{deployment}/chat/completions", s.Recorded(inDeployment, s.azure(s.chat)))
	mux.HandleFunc("POST /openai/deployments/{deployment}/embeddings", s.Recorded(inDeployment, s.azure(s.embed)))
	mux.HandleFunc("POST /openai/v1/chat/completions", s.Recorded(inBody, s.azure(s.chat)))
	mux.HandleFunc("POST /openai/v1/embeddings", s.Recorded(inBody, s.azure(s.embed)))
}

// inDeployment finds the model in the address; a body's model says nothing here.
func inDeployment(r *http.Request, body []byte) (model string, stream bool) {
	_, stream = inBody(r, body)
	return r.PathValue("deployment"), stream
}

// onAzure says whether a request went to one of Azure's addresses.
func onAzure(rec *Recorded) bool { return strings.HasPrefix(rec.Path, "/openai/") }

// azure asks for what Azure asks for: a key in a header of its own, or a token
// of Entra ID; and a version where the address is a deployment.
func (s *Server) azure(handle func(http.ResponseWriter, *http.Request, *Recorded)) func(http.ResponseWriter, *http.Request, *Recorded) {
	return func(w http.ResponseWriter, r *http.Request, rec *Recorded) {
		key, isKey := r.Header.Get("Api-Key"), true
		if key == "" {
			key, isKey = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		}
		w.Header().Set("Apim-Request-Id", "fake-request")
		switch {
		case !isKey || key == "" || s.Key != "" && key != s.Key:
			WriteJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{
				"code": "401", "message": "Access denied due to invalid subscription key or wrong API endpoint. " + LeakyText,
			}})
		case r.PathValue("deployment") != "" && rec.Query.Get("api-version") == "":
			WriteJSON(w, http.StatusNotFound, map[string]any{"error": map[string]any{"code": "404", "message": "Resource not found"}})
		default:
			handle(w, r, rec)
		}
	}
}

// harmless is what Azure's filter says of a text.
var harmless = map[string]any{
	"hate":     map[string]any{"filtered": false, "severity": "safe"},
	"violence": map[string]any{"filtered": false, "severity": "safe"},
}

// promptFilter is what Azure's filter says of a prompt.
var promptFilter = []any{map[string]any{"prompt_index": 0, "content_filter_results": harmless}}

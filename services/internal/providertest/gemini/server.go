// Package gemini is a provider for tests that speaks Google's Gemini API and
// the same API as Vertex AI has it, and refuses what the real ones refuse.
package gemini

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// maxRequest is how large a request may be, in bytes.
const maxRequest = 20 << 20

// Server is the provider.
type Server struct{ *providertest.Host }

// New starts a server and stops it with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	mux := http.NewServeMux()
	s.Host = providertest.NewHost(t, mux)
	mux.HandleFunc("/", s.Recorded(inPath, s.serve))
	return s
}

// BaseURL is where the API begins; clients add its version.
func (s *Server) BaseURL() string { return s.URL }

// paths are the addresses of the API: of Gemini, and of Vertex AI with a project or without.
var paths = regexp.MustCompile(`^/(v1|v1beta|v1beta1|v1alpha)/((?:projects/[^/]+/locations/[^/]+/)?publishers/google/)?models(?:/([^/:]+))?(?::(\w+))?$`)

// place is where a request goes.
type place struct {
	version, model, verb string
	vertex               bool
}

func placeOf(r *http.Request) (place, bool) {
	m := paths.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return place{}, false
	}
	return place{version: m[1], vertex: m[2] != "", model: m[3], verb: m[4]}, true
}

func inPath(r *http.Request, _ []byte) (model string, stream bool) {
	p, _ := placeOf(r)
	return p.model, p.verb == "streamGenerateContent"
}

// exchange is one request with its answer.
type exchange struct {
	*Server
	w   http.ResponseWriter
	r   *http.Request
	rec *providertest.Recorded
	at  place
}

// verbs are what may be asked of a model.
var verbs = map[string]func(*exchange) error{
	"generateContent":       (*exchange).generate,
	"streamGenerateContent": (*exchange).generate,
	"countTokens":           (*exchange).countTokens,
	"embedContent":          (*exchange).embed,
	"batchEmbedContents":    (*exchange).embedBatch,
	"predict":               (*exchange).predict,
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, rec *providertest.Recorded) {
	at, ok := placeOf(r)
	if !ok {
		http.NotFound(w, r) // the API answers unknown addresses with a page
		return
	}
	e := &exchange{Server: s, w: w, r: r, rec: rec, at: at}
	if err := e.authenticate(); err != nil {
		e.fail(err)
		return
	}
	handle, known := verbs[at.verb]
	switch {
	case r.Method == http.MethodGet && at.verb == "":
		e.models()
	case r.Method != http.MethodPost || !known:
		http.NotFound(w, r)
	case len(rec.Body) > maxRequest:
		e.fail(invalid("Request payload size exceeds the limit: 20971520 bytes."))
	case !json.Valid(rec.Body):
		e.fail(invalid("Invalid JSON payload received."))
	case !e.refuse():
		if err := handle(e); err != nil {
			e.fail(err)
		}
	}
}

// authenticate asks for an API key, or for a token where Vertex AI is addressed.
func (e *exchange) authenticate() error {
	if e.at.vertex {
		token, ok := strings.CutPrefix(e.r.Header.Get("Authorization"), "Bearer ")
		if !ok || token == "" || e.Key != "" && token != e.Key {
			return &status{Code: http.StatusUnauthorized, Status: "UNAUTHENTICATED", Message: "Request had invalid authentication credentials."}
		}
		return nil
	}
	key := e.r.Header.Get("X-Goog-Api-Key")
	if key == "" {
		key = e.r.URL.Query().Get("key")
	}
	switch {
	case key == "":
		return &status{Code: http.StatusForbidden, Status: "PERMISSION_DENIED", Message: "Method doesn't allow unregistered callers."}
	case e.Key != "" && key != e.Key:
		return invalidKey()
	}
	return nil
}

// known are the models that the server lists.
var known = []string{"gemini-2.5-flash", "gemini-3-pro-preview", "gemini-embedding-001"}

func (e *exchange) models() {
	prefix := "models/"
	if e.at.vertex {
		prefix = "publishers/google/models/"
	}
	var out []any
	for _, id := range known {
		info := map[string]any{
			"name": prefix + id, "version": "001", "displayName": "Fake " + id,
			"inputTokenLimit": 1048576, "outputTokenLimit": 65536,
			"supportedGenerationMethods": []string{"generateContent", "countTokens"},
		}
		if id == e.at.model {
			providertest.WriteJSON(e.w, http.StatusOK, info)
			return
		}
		out = append(out, info)
	}
	switch {
	case e.at.model != "":
		e.fail(&status{Code: http.StatusNotFound, Status: "NOT_FOUND", Message: "models/" + e.at.model + " is not found for API version " + e.at.version})
	case e.at.vertex:
		providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"publisherModels": out})
	default:
		providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"models": out})
	}
}

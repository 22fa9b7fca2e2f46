package anthropic

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// The types of errors that the API has.
const (
	invalidRequest = "invalid_request_error"
	authentication = "authentication_error"
	permission     = "permission_error"
	notFound       = "not_found_error"
	tooLarge       = "request_too_large"
	rateLimit      = "rate_limit_error"
	apiError       = "api_error"
	timedOut       = "timeout_error"
	overloaded     = "overloaded_error"
)

// statusOverloaded is a status of this API only.
const statusOverloaded = 529

const requestID = "req_fake"

func errorBody(kind, message string) map[string]any {
	return map[string]any{
		"type": "error", "error": map[string]any{"type": kind, "message": message}, "request_id": requestID,
	}
}

func writeError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("X-Should-Retry", strconv.FormatBool(status == http.StatusTooManyRequests || status >= 500))
	providertest.WriteJSON(w, status, errorBody(kind, message))
}

// limits tells what is left, as every answer does.
func limits(h http.Header, left int) {
	for _, what := range []string{"Requests", "Tokens", "Input-Tokens", "Output-Tokens"} {
		h.Set("Anthropic-Ratelimit-"+what+"-Limit", "1000")
		h.Set("Anthropic-Ratelimit-"+what+"-Remaining", strconv.Itoa(left))
		h.Set("Anthropic-Ratelimit-"+what+"-Reset", "2026-01-01T00:00:01Z")
	}
}

// refusals is how the API says a misbehaviour; all of it leaks.
var refusals = map[string]struct {
	status        int
	kind, message string
}{
	providertest.RateLimited:     {http.StatusTooManyRequests, rateLimit, "This request would exceed your organization's rate limit. "},
	providertest.ServerError:     {http.StatusInternalServerError, apiError, "Internal server error. "},
	providertest.Overloaded:      {statusOverloaded, overloaded, "Overloaded. "},
	providertest.TimedOut:        {http.StatusGatewayTimeout, timedOut, "Request timed out. "},
	providertest.Unauthorized:    {http.StatusUnauthorized, authentication, "invalid x-api-key. "},
	providertest.Forbidden:       {http.StatusForbidden, permission, "Your API key does not have permission to use the specified resource. "},
	providertest.Missing:         {http.StatusNotFound, notFound, "model: missing. "},
	providertest.TooLarge:        {http.StatusRequestEntityTooLarge, tooLarge, "Request exceeds the maximum size. "},
	providertest.ContextExceeded: {http.StatusBadRequest, invalidRequest, "prompt is too long: 200123 tokens > 200000 maximum. "},
	providertest.ContentFilter:   {http.StatusBadRequest, invalidRequest, "Output blocked by content filtering policy. "},
	providertest.Rejected:        {http.StatusBadRequest, invalidRequest, "max_tokens: 99999 > 8192, which is the maximum allowed number of output tokens. "},
}

// refuse misbehaves before an answer; it says whether it did.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, model string) bool {
	return s.Refuse(w, r, model, func(behaviour string) bool {
		how, ok := refusals[providertest.RetryAfter(w.Header(), behaviour)]
		if !ok {
			return false
		}
		if how.status == http.StatusTooManyRequests {
			limits(w.Header(), 0)
		}
		writeError(w, how.status, how.kind, how.message+providertest.LeakyText)
		return true
	})
}

// faultf is what is wrong with a request, in the words of the API, which are
// sentences.
func faultf(format string, args ...any) error { return fmt.Errorf(format, args...) }

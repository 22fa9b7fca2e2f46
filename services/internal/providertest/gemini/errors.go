package gemini

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// status is an error as the API writes it.
type status struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []any  `json:"details,omitempty"`
}

func (s *status) Error() string { return s.Message }

func invalid(format string, args ...any) error {
	return &status{Code: http.StatusBadRequest, Status: "INVALID_ARGUMENT", Message: fmt.Sprintf(format, args...)}
}

// invalidKey is a bad request, not a failed authentication: the API says so.
func invalidKey() error {
	return &status{
		Code: http.StatusBadRequest, Status: "INVALID_ARGUMENT", Message: "API key not valid. Please pass a valid API key.",
		Details: []any{map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
		}},
	}
}

// fail answers with an error; a stream that is a JSON array has it in an array.
func (e *exchange) fail(err error) {
	var s *status
	if !errors.As(err, &s) {
		s = &status{Code: http.StatusInternalServerError, Status: "INTERNAL", Message: err.Error()}
	}
	body := any(map[string]any{"error": s})
	if e.rec.Stream && !e.sse() {
		body = []any{body}
	}
	providertest.WriteJSON(e.w, s.Code, body)
}

// retryInfo says when to come again.
var retryInfo = map[string]any{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}

// retryLater is the same for a quota that is used up for longer.
var retryLater = map[string]any{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "60s"}

// quotaFailure says what was used up.
var quotaFailure = map[string]any{
	"@type":      "type.googleapis.com/google.rpc.QuotaFailure",
	"violations": []any{map[string]any{"quotaMetric": "generativelanguage.googleapis.com/requests", "quotaId": "RequestsPerMinute"}},
}

var badField = map[string]any{
	"@type":           "type.googleapis.com/google.rpc.BadRequest",
	"fieldViolations": []any{map[string]any{"field": "generation_config.top_k", "description": "top_k is out of range"}},
}

// refusals is how the API says a misbehaviour; all of it leaks.
var refusals = map[string]status{
	providertest.RateLimited:      {Code: 429, Status: "RESOURCE_EXHAUSTED", Message: "You exceeded your current quota. ", Details: []any{quotaFailure}},
	providertest.RateLimitedAfter: {Code: 429, Status: "RESOURCE_EXHAUSTED", Message: "You exceeded your current quota. ", Details: []any{quotaFailure, retryInfo}},
	providertest.RateLimitedLong:  {Code: 429, Status: "RESOURCE_EXHAUSTED", Message: "You exceeded your current quota. ", Details: []any{quotaFailure, retryLater}},
	providertest.ServerError:      {Code: 500, Status: "INTERNAL", Message: "An internal error has occurred. "},
	providertest.Overloaded:       {Code: 503, Status: "UNAVAILABLE", Message: "The model is overloaded. Please try again later. "},
	providertest.TimedOut:         {Code: 504, Status: "DEADLINE_EXCEEDED", Message: "Deadline expired before operation could complete. "},
	providertest.Unauthorized:     {Code: 401, Status: "UNAUTHENTICATED", Message: "Request had invalid authentication credentials. "},
	providertest.Forbidden:        {Code: 403, Status: "PERMISSION_DENIED", Message: "Permission denied. "},
	providertest.Missing:          {Code: 404, Status: "NOT_FOUND", Message: "models/missing is not found for API version v1beta, or is not supported for generateContent. "},
	providertest.TooLarge:         {Code: 400, Status: "INVALID_ARGUMENT", Message: "Request payload size exceeds the limit: 20971520 bytes. "},
	providertest.ContextExceeded:  {Code: 400, Status: "INVALID_ARGUMENT", Message: "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576). "},
	providertest.Rejected:         {Code: 400, Status: "INVALID_ARGUMENT", Message: "Unable to submit request because top_k is out of range. ", Details: []any{badField}},
}

// refuse misbehaves before an answer; it says whether it did.
func (e *exchange) refuse() bool {
	return e.Refuse(e.w, e.r, e.at.model, func(behaviour string) bool {
		if behaviour == providertest.Unauthorized && !e.at.vertex {
			e.fail(invalidKey())
			return true
		}
		how, ok := refusals[behaviour]
		if ok {
			how.Message += providertest.LeakyText
			e.fail(&how)
		}
		return ok
	})
}

package gemini

import (
	"net/http"
	"strings"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestAppendError(t *testing.T) {
	e := errs.New(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "slow \"down\"").WithRetryAfter(1500*time.Millisecond).WithMetadata("scope", "key")
	same(t, AppendError(nil, e), `{"error":{"code":429,"message":"slow \"down\"","status":"RESOURCE_EXHAUSTED","details":[
	  {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMITED","domain":"tollgate.dev","metadata":{"scope":"key"}},
	  {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}`)
	e = errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "contents is required").WithField("contents")
	same(t, AppendError(nil, e), `{"error":{"code":400,"message":"contents is required","status":"INVALID_ARGUMENT","details":[
	  {"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_ARGUMENT","domain":"tollgate.dev"},
	  {"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents","description":"contents is required"}]}]}}`)
	// Every reason has a status that Google knows.
	for reason := range llmv1.ErrorReason_name {
		got := string(AppendError(nil, errs.New(llmv1.ErrorReason(reason), "")))
		if strings.Contains(got, `"status":"OK"`) || strings.Contains(got, `"status":"UNKNOWN"`) && reason != 0 {
			t.Errorf("%v: %s", llmv1.ErrorReason(reason), got)
		}
	}
}

func TestDecodeError(t *testing.T) {
	const (
		auth        = llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
		limited     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
		unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		rejected    = llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
	)
	body := func(code, status, details string) string {
		return `{"error":{"code":` + code + `,"message":"secret sk-1 10.0.0.1","status":"` + status + `","details":[` + details + `]}}`
	}
	tests := []struct {
		name, body string
		status     int
		reason     llmv1.ErrorReason
		after      time.Duration
	}{
		{"quota", body("429", "RESOURCE_EXHAUSTED", `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17.5s"}`), 429, limited, 17500 * time.Millisecond},
		{"quota of a stream", `[` + body("429", "RESOURCE_EXHAUSTED", ``) + `]`, 429, limited, 3 * time.Second},
		{"key", body("400", "INVALID_ARGUMENT", `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}`), 400, auth, 3 * time.Second},
		{"token", body("401", "UNAUTHENTICATED", ``), 401, auth, 3 * time.Second},
		{"permission", body("403", "PERMISSION_DENIED", ``), 403, auth, 3 * time.Second},
		{"model", body("404", "NOT_FOUND", ``), 404, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, 3 * time.Second},
		{"overloaded", body("503", "UNAVAILABLE", ``), 503, unavailable, 3 * time.Second},
		{"deadline", body("504", "DEADLINE_EXCEEDED", ``), 504, llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, 3 * time.Second},
		{"bad", body("400", "INVALID_ARGUMENT", `{"fieldViolations":[{"field":"generation_config.top_k","description":"secret"}]}`), 400, rejected, 3 * time.Second},
		{"too long", strings.Replace(body("400", "INVALID_ARGUMENT", ``), "secret", "The input token count (9) exceeds the maximum number of tokens allowed (8).", 1), 400, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, 3 * time.Second},
		{"no JSON", `<html>secret`, 502, unavailable, 3 * time.Second},
		{"nothing", ``, 400, rejected, 3 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{}
			if tt.name != "quota" {
				header.Set("Retry-After", "3")
			}
			e := errs.From(DecodeError(tt.status, header, []byte(tt.body)))
			if e.Reason != tt.reason || e.RetryAfter != tt.after {
				t.Errorf("got %v after %v", e.Reason, e.RetryAfter)
			}
			if shown := e.Message + e.LogValue().String(); strings.Contains(shown, "secret") || strings.Contains(shown, "sk-1") {
				t.Errorf("shows %q", shown)
			}
			if tt.name == "bad" && !strings.Contains(e.Message, "generation_config.top_k") {
				t.Errorf("message %q", e.Message)
			}
		})
	}
}

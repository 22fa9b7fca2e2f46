package refusal

import (
	"net/http"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, value string
		want        time.Duration
	}{
		{"Retry-After", "3", 3 * time.Second},
		{"Retry-After", "0.5", 500 * time.Millisecond},
		{"Retry-After-Ms", "1500", 1500 * time.Millisecond},
		{"Retry-After", "Thu, 01 Jan 2026 00:00:07 GMT", 7 * time.Second},
		{"Retry-After", "Wed, 31 Dec 2025 00:00:07 GMT", 0},
		{"Retry-After", "soon", 0},
		{"Retry-After", "-1", 0},
		{"Retry-After", "1e300", 24 * time.Hour},
		{"Retry-After", "NaN", 0},
	} {
		h := http.Header{}
		h.Set(tt.name, tt.value)
		if got := retryAfter(h, now); got != tt.want {
			t.Errorf("%s: %s gave %v, want %v", tt.name, tt.value, got, tt.want)
		}
	}
}

func TestResets(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		header map[string]string
		want   time.Duration
	}{
		"requests are used up": {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s", "x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, 1500 * time.Millisecond},
		"both are":             {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m2s"}, 62 * time.Second},
		"as a time":            {map[string]string{"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2026-01-01T00:00:09Z"}, 9 * time.Second},
		"in the past":          {map[string]string{"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "2025-01-01T00:00:09Z"}, 0},
		"far away":             {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9000h"}, 24 * time.Hour},
		"nothing is":           {map[string]string{"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1s"}, 0},
		"no words":             {map[string]string{"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "soon"}, 0},
	} {
		h := http.Header{}
		for k, v := range tt.header {
			h.Set(k, v)
		}
		if got := reset(h, now); got != tt.want {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
	h := http.Header{"X-Ratelimit-Remaining-Requests": {"0"}, "X-Ratelimit-Reset-Requests": {"3s"}}
	limited := errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED, "")
	if got := WithRetryAfter(limited, h).RetryAfter; got != 3*time.Second {
		t.Errorf("a limit resets in %v", got)
	}
	if got := WithRetryAfter(errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED, ""), h).RetryAfter; got != 0 {
		t.Errorf("a refusal resets in %v", got)
	}
	h.Set("Retry-After", "1")
	if got := WithRetryAfter(limited, h).RetryAfter; got != time.Second {
		t.Errorf("what is said wins over what is meant: %v", got)
	}
}

package openai

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestAppendError(t *testing.T) {
	tests := []struct {
		reason     llmv1.ErrorReason
		kind, code string
	}{
		{llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "invalid_request_error", "invalid_value"},
		{llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "authentication_error", "invalid_api_key"},
		{llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "invalid_request_error", "model_not_found"},
		{llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "rate_limit_error", "rate_limit_exceeded"},
		{llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED, "insufficient_quota", "insufficient_quota"},
		{llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, "invalid_request_error", "context_length_exceeded"},
		{llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED, "not_found_error", "unimplemented"},
		{llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "server_error", "unavailable"},
		{llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "invalid_request_error", "unsupported"},
	}
	for _, tt := range tests {
		var got struct {
			Error struct {
				Message, Type, Code string
				Param               *string
			}
		}
		if err := json.Unmarshal(AppendError(nil, errs.New(tt.reason, "a \"text\"").WithField("n")), &got); err != nil {
			t.Fatal(err)
		}
		e := got.Error
		if e.Type != tt.kind || e.Code != tt.code || e.Message != `a "text"` || e.Param == nil || *e.Param != "n" {
			t.Errorf("%v: %+v", tt.reason, e)
		}
	}
}

func TestDecodeError(t *testing.T) {
	body := func(kind, code, message string) string {
		return `{"error":{"message":"` + message + `","type":"` + kind + `","param":null,"code":` + code + `}}`
	}
	tests := []struct {
		name   string
		status int
		body   string
		want   llmv1.ErrorReason
	}{
		{"by status", 429, `too many`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED},
		{"quota", 429, body("insufficient_quota", `"insufficient_quota"`, "x"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH},
		{"context by code", 400, body("invalid_request_error", `"context_length_exceeded"`, "x"), llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED},
		{"context in words", 400, body("BadRequestError", `400`, "This model's maximum context length is 10 tokens"), llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED},
		{"filter", 400, body("", `"content_filter"`, "x"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED},
		{"rejected", 422, body("invalid_request_error", `null`, "x"), llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED},
		{"forbidden", 403, ``, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH},
		{"timeout", 504, `<html>`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT},
		{"overloaded", 529, `{}`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE},
		{"broken body", 503, `{"error":{"code":"rate_limit_exceeded`, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := errs.From(DecodeError(tt.status, http.Header{"Retry-After": {"2"}}, []byte(tt.body)))
			if e.Reason != tt.want || e.RetryAfter != 2*time.Second {
				t.Errorf("got %v after %v", e.Reason, e.RetryAfter)
			}
		})
	}
	e := errs.From(DecodeError(401, nil, []byte(body("sk-1 is wrong", `"http://10.1.1.1"`, "sk-12345"))))
	if shown := e.Error() + e.LogValue().String(); strings.Contains(shown, "sk-") || strings.Contains(shown, "10.1") {
		t.Errorf("shows %q", shown)
	}
}

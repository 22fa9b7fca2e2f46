package openaicompat_test

import (
	"bytes"
	"compress/gzip"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider/adaptertest"
)

func squeezed(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestBodies(t *testing.T) {
	const unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	answer := []byte(`{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}`)
	events := []byte("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	kind := func(media string, more ...string) map[string]string {
		h := map[string]string{"Content-Type": media}
		for i := 0; i+1 < len(more); i += 2 {
			h[more[i]] = more[i+1]
		}
		return h
	}
	tests := []struct {
		name   string
		header map[string]string
		body   []byte
		stream bool
		ok     bool
	}{
		{"plain", kind("application/json"), answer, false, true},
		{"gzip", kind("application/json", "Content-Encoding", "gzip"), squeezed(t, answer), false, true},
		{"gzip bomb", kind("application/json", "Content-Encoding", "gzip"), squeezed(t, bytes.Repeat([]byte(" "), 65<<20)), false, false},
		{"broken gzip", kind("application/json", "Content-Encoding", "gzip"), answer, false, false},
		{"brotli", kind("application/json", "Content-Encoding", "br"), answer, false, false},
		{"no choices", kind("application/json"), []byte(`{"choices":[]}`), false, false},
		{"error in a success", kind("application/json"), []byte(`{"error":{"message":"x"}}`), false, false},
		{"stream", kind("text/event-stream"), events, true, true},
		{"gzip stream", kind("text/event-stream", "Content-Encoding", "gzip"), squeezed(t, events), true, true},
		{"whole answer for a stream", kind("application/json"), answer, true, false},
		{"page for a stream", kind("text/html"), []byte("<html>"), true, false},
		{"only the end", kind("text/event-stream"), []byte("data: [DONE]\n\n"), true, false},
		{"nothing", kind("text/event-stream"), nil, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := serve(t, tt.header, tt.body)
			var err error
			if tt.stream {
				r, failure := a.Stream(t.Context(), adaptertest.Ask("m", "x"))
				if err = failure; err == nil {
					_, _, err = adaptertest.Read(r)
				}
			} else {
				_, err = a.Generate(t.Context(), adaptertest.Ask("m", "x"))
			}
			if tt.ok != (err == nil) {
				t.Fatalf("got %v", err)
			}
			cut := errs.Is(err, llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED) && tt.name == "nothing"
			if err != nil && !errs.Is(err, unavailable) && !cut {
				t.Errorf("got %v", err)
			}
		})
	}
}

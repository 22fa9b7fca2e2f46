package openaicompat_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/adaptertest"
	"github.com/tollgate/tollgate/services/router/internal/provider/openaicompat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-very-secret"

func adapter(t *testing.T, base string) provider.Adapter {
	t.Helper()
	a, err := openaicompat.New(provider.Target{
		Name: "t", BaseURL: base, APIKey: secret.New(key),
		Timeouts: provider.Timeouts{Connect: config.Duration(300 * time.Millisecond)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c, ok := a.(io.Closer); ok {
			_ = c.Close()
		}
	})
	return a
}

func TestGenerate(t *testing.T) {
	up := providertest.New(t)
	up.Key = key
	parent := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	got, err := adapter(t, up.BaseURL()+"/").Generate(parent, adaptertest.Ask("gpt-4o-mini", "hello there"))
	if err != nil {
		t.Fatal(err)
	}
	c := got.Completion
	if text := c.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText(); text != "You said: hello there" {
		t.Errorf("text %q", text)
	}
	if c.GetUsage().GetInputTokens() != 2 || c.GetUsage().GetOutputTokens() != 4 || got.Dialect != "openai" || len(got.Native) == 0 {
		t.Errorf("answer %v", got)
	}
	if h := up.Last().Header; h.Get("Traceparent") == "" || h.Get("Authorization") != "Bearer "+key {
		t.Errorf("headers %v", h)
	}
}

func TestStream(t *testing.T) {
	up := providertest.New(t)
	a := adapter(t, up.BaseURL())
	for _, model := range []string{"gpt-4o-mini", providertest.NoDone, providertest.UnknownFields, providertest.SlowFirstToken} {
		r, err := a.Stream(t.Context(), adaptertest.Ask(model, "one two three"))
		if err != nil {
			t.Fatal(err)
		}
		text, usage, err := adaptertest.Read(r)
		if err != nil || text != "You said: one two three" || usage.GetInputTokens() != 3 || usage.GetOutputTokens() != 5 {
			t.Errorf("%s: %q, %v, %v", model, text, usage, err)
		}
		if !strings.Contains(string(up.Last().Body), `"include_usage":true`) {
			t.Errorf("usage is not asked for: %s", up.Last().Body)
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	up := providertest.New(t)
	a := adapter(t, up.BaseURL())
	for range 5 {
		r, err := a.Stream(t.Context(), adaptertest.Ask("gpt-4o-mini", "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := adaptertest.Read(r); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Generate(t.Context(), adaptertest.Ask("gpt-4o-mini", "x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := up.Connections(); n != 1 {
		t.Errorf("%d connections for ten requests", n)
	}
}

func TestEmbed(t *testing.T) {
	up := providertest.New(t)
	got, err := adapter(t, up.BaseURL()).Embed(t.Context(), &provider.EmbedRequest{Model: "e", Inputs: []string{"a", "b c"}, Dimensions: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"a", "b c"} {
		if !slices.Equal(got.Vectors[i], providertest.Vector(text, 4)) {
			t.Errorf("vector %d: %v", i, got.Vectors[i])
		}
	}
	if got.Usage.GetInputTokens() != 3 || got.Model != "e" {
		t.Errorf("got %v", got)
	}
}

func TestFaults(t *testing.T) {
	const (
		unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		limited     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
		cut         = llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
		none        = llmv1.ErrorReason_ERROR_REASON_UNSPECIFIED
	)
	tests := []struct {
		model           string
		whole, streamed llmv1.ErrorReason
	}{
		{providertest.RateLimited, limited, limited},
		{providertest.RateLimitedAfter, limited, limited},
		{providertest.Unavailable, unavailable, unavailable},
		{providertest.Unauthorized, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH},
		{providertest.Missing, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED},
		{providertest.Reset, unavailable, unavailable},
		{providertest.HTML, unavailable, unavailable},
		{providertest.Redirect, unavailable, unavailable},
		{providertest.ContextExceeded, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED},
		{providertest.ContentFilter, llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED, llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED},
		{providertest.Rejected, llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED, llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED},
		{providertest.Truncated, unavailable, none},
		{providertest.Cut, unavailable, cut},
		{providertest.Malformed, unavailable, unavailable},
		{providertest.ErrorInStream, none, unavailable},
		{providertest.NoUsage, none, none},
	}
	up := providertest.New(t)
	a := adapter(t, up.BaseURL())
	check := func(t *testing.T, err error, want llmv1.ErrorReason) {
		t.Helper()
		if want == none {
			if err != nil {
				t.Errorf("got %v", err)
			}
			return
		}
		var e *errs.Error
		if !errors.As(err, &e) || e.Reason != want {
			t.Fatalf("got %v, want %v", err, want)
		}
		shown := e.Error() + e.LogValue().String()
		for _, leak := range []string{"sk-", "10.1.2.3", "127.0.0.1", up.URL} {
			if strings.Contains(shown, leak) {
				t.Errorf("%q shows %q", shown, leak)
			}
		}
	}
	for _, tt := range tests {
		t.Run(tt.model, func(t *testing.T) {
			_, err := a.Generate(t.Context(), adaptertest.Ask(tt.model, "one two three"))
			check(t, err, tt.whole)
			if e := errs.From(err); tt.model == providertest.RateLimitedAfter && e.RetryAfter != time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			if e := errs.From(err); tt.model == providertest.Rejected && !strings.HasSuffix(e.Message, ": unsupported_parameter: max_tokens") {
				t.Errorf("message %q", e.Message)
			}
			r, err := a.Stream(t.Context(), adaptertest.Ask(tt.model, "one two three"))
			if err == nil {
				_, _, err = adaptertest.Read(r)
			}
			check(t, err, tt.streamed)
		})
	}
	for _, seen := range up.Requests() {
		if seen.Path != "/v1/chat/completions" {
			t.Errorf("a redirect was followed to %s", seen.Path)
		}
	}
	if _, err := a.Generate(t.Context(), adaptertest.Ask(providertest.FailOnce, "x")); !errs.Is(err, unavailable) {
		t.Errorf("first: %v", err)
	}
	if _, err := a.Generate(t.Context(), adaptertest.Ask(providertest.FailOnce, "x")); err != nil {
		t.Errorf("second: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	_, err = adapter(t, "http://"+address).Generate(t.Context(), adaptertest.Ask("m", "x"))
	e := errs.From(err)
	if e.Reason != llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE || strings.Contains(e.LogValue().String(), "127.0.0.1") {
		t.Errorf("got %v", e.LogValue())
	}
}

func TestCancelReachesTheProvider(t *testing.T) {
	up := providertest.New(t)
	a := adapter(t, up.BaseURL())
	arrived := func(n int) *providertest.Recorded {
		for range 1000 {
			if all := up.Requests(); len(all) == n {
				return all[n-1]
			}
			time.Sleep(time.Millisecond)
		}
		t.Fatal("the request did not arrive")
		return nil
	}
	t.Run("before an answer", func(t *testing.T) {
		why := errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "too slow")
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { arrived(1); cancel(why) }()
		if _, err := a.Generate(ctx, adaptertest.Ask(providertest.Silent, "x")); !errs.Is(err, why.Reason) {
			t.Errorf("got %v", err)
		}
		if _, ok := arrived(1).AwaitCancelled(time.Second); !ok {
			t.Error("the provider goes on")
		}
	})
	t.Run("by the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := a.Stream(ctx, adaptertest.Ask(providertest.Stall, "one two three four"))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, _, err := adaptertest.Read(r); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
			t.Errorf("got %v", err)
		}
		if _, ok := arrived(2).AwaitCancelled(time.Second); !ok {
			t.Error("the provider goes on")
		}
	})
	t.Run("by closing while it is read", func(t *testing.T) {
		r, err := a.Stream(t.Context(), adaptertest.Ask(providertest.Stall, "one two three four"))
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(20*time.Millisecond, func() { _ = r.Close() })
		if _, _, err := adaptertest.Read(r); err == nil {
			t.Error("a closed stream ended well")
		}
		if _, ok := arrived(3).AwaitCancelled(time.Second); !ok {
			t.Error("the provider goes on")
		}
	})
}

// serve answers every request in one way.
func serve(t *testing.T, header map[string]string, body []byte) provider.Adapter {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(s.Close)
	return adapter(t, s.URL)
}

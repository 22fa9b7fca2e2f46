package anthropic_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
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
	fake "github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/adaptertest"
	"github.com/tollgate/tollgate/services/router/internal/provider/anthropic"
	wire "github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-ant-very-secret"

func adapter(t *testing.T, target provider.Target) provider.Adapter {
	t.Helper()
	target.Name = "t"
	target.Timeouts = provider.Timeouts{Connect: config.Duration(300 * time.Millisecond)}
	a, err := anthropic.New(target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.(io.Closer).Close() })
	return a
}

func at(up *fake.Server) provider.Target {
	return provider.Target{BaseURL: up.BaseURL(), APIKey: secret.New(key)}
}

func TestGenerate(t *testing.T) {
	up := fake.New(t)
	up.Key = key
	parent := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	}))
	for _, suffix := range []string{"", "/", "/v1", "/v1/"} {
		target := at(up)
		target.BaseURL += suffix
		got, err := adapter(t, target).Generate(parent, adaptertest.Ask("claude-sonnet-4-5", "hello there"))
		if err != nil {
			t.Fatal(err)
		}
		c := got.Completion
		if text := c.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText(); text != "You said: hello there" {
			t.Errorf("text %q", text)
		}
		if c.GetUsage().GetInputTokens() != 2 || c.GetUsage().GetOutputTokens() != 4 || got.Dialect != "anthropic" || len(got.Native) == 0 {
			t.Errorf("answer %v", got)
		}
	}
	h := up.Last().Header
	if h.Get("Traceparent") == "" || h.Get("X-Api-Key") != key || h.Get("Authorization") != "" ||
		h.Get("Anthropic-Version") != "2023-06-01" || h.Get("Anthropic-Beta") != "" || up.Last().Path != "/v1/messages" {
		t.Errorf("headers %v", h)
	}
}

func TestStream(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, at(up))
	for _, model := range []string{
		"m", providertest.NoDone, providertest.UnknownFields, providertest.SlowFirstToken, providertest.Comments,
		providertest.CRLF, providertest.BOM, providertest.MultiLine, providertest.NoSpace, providertest.Tiny, providertest.OneWrite, providertest.Awkward,
	} {
		r, err := a.Stream(t.Context(), adaptertest.Ask(model, "one two three"))
		if err != nil {
			t.Fatal(err)
		}
		text, usage, err := adaptertest.Read(r)
		if err != nil || text != "You said: one two three" || usage.GetInputTokens() != 3 || usage.GetOutputTokens() != 5 {
			t.Errorf("%s: %q, %v, %v", model, text, usage, err)
		}
	}
	r, err := a.Stream(t.Context(), adaptertest.Ask(providertest.NoUsage, "x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, usage, err := adaptertest.Read(r); usage != nil || err != nil {
		t.Errorf("no usage: %v, %v", usage, err)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, at(up))
	for range 5 {
		r, err := a.Stream(t.Context(), adaptertest.Ask("m", "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := adaptertest.Read(r); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Generate(t.Context(), adaptertest.Ask("m", "x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := up.Connections(); n != 1 {
		t.Errorf("%d connections for ten requests", n)
	}
}

// What the cache wrote and read is told apart from the rest.
func TestCacheUsage(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, at(up))
	r := adaptertest.Ask("m", "one two three")
	m := r.Conversation.GetMessages()[0]
	m.Parts = append(m.Parts,
		&llmv1.Part{Content: &llmv1.Part_CachePoint{CachePoint: &llmv1.CachePoint{Ttl: "1h"}}},
		&llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: "four"}}})
	first, err := a.Generate(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if u := first.Completion.GetUsage(); u.GetInputTokens() != 1 || u.GetCacheWrite_1HTokens() != 3 || u.GetCacheWrite_5MTokens() != 0 {
		t.Errorf("first %v", u)
	}
	s, err := a.Stream(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if _, u, err := adaptertest.Read(s); err != nil || u.GetInputTokens() != 1 || u.GetCacheReadTokens() != 3 || u.GetCacheWrite_1HTokens() != 0 {
		t.Errorf("second %v, %v", u, err)
	}
}

func TestCountTokens(t *testing.T) {
	up := fake.New(t)
	counter, ok := adapter(t, at(up)).(provider.TokenCounter)
	if !ok {
		t.Fatal("cannot count")
	}
	if n, err := counter.CountTokens(t.Context(), adaptertest.Ask("m", "one two three")); err != nil || n != 3 {
		t.Errorf("got %d, %v", n, err)
	}
	native, c, err := wire.ParseRequest([]byte(`{"model":"m","max_tokens":5,"temperature":0,"stream":true,"messages":[{"role":"user","content":"a b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	native.WithBetas([]string{"b1"})
	if n, err := counter.CountTokens(t.Context(), &provider.Request{Conversation: c, Native: native, Model: "up"}); err != nil || n != 2 {
		t.Errorf("got %d, %v", n, err)
	}
	if last := up.Last(); last.Model != "up" || last.Path != "/v1/messages/count_tokens" || last.Header.Get("Anthropic-Beta") != "b1" {
		t.Errorf("asked %s %s %v", last.Path, last.Body, last.Header)
	}
	if _, err := counter.CountTokens(t.Context(), adaptertest.Ask(providertest.Overloaded, "x")); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
		t.Errorf("got %v", err)
	}
}

// A key that stands in a file can be changed while the target runs.
func TestKeyRotation(t *testing.T) {
	up := fake.New(t)
	file := filepath.Join(t.TempDir(), "key")
	write := func(text string, age time.Duration) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		then := time.Now().Add(-age)
		if err := os.Chtimes(file, then, then); err != nil {
			t.Fatal(err)
		}
	}
	write("one\n", time.Hour)
	a := adapter(t, provider.Target{BaseURL: up.BaseURL(), APIKeyFile: file, APIVersion: fake.Version})
	if _, err := a.Generate(t.Context(), adaptertest.Ask("m", "x")); err != nil || up.Last().Header.Get("X-Api-Key") != "one" {
		t.Fatalf("got %v, %v", up.Last().Header, err)
	}
	write("two\n", time.Minute)
	time.Sleep(1100 * time.Millisecond)
	if _, err := a.Generate(t.Context(), adaptertest.Ask("m", "x")); err != nil || up.Last().Header.Get("X-Api-Key") != "two" {
		t.Errorf("got %v, %v", up.Last().Header, err)
	}
}

func TestFaults(t *testing.T) {
	const (
		unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		limited     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
		cut         = llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
		rejected    = llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
		auth        = llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
		none        = llmv1.ErrorReason_ERROR_REASON_UNSPECIFIED
	)
	tests := []struct {
		model           string
		whole, streamed llmv1.ErrorReason
	}{
		{providertest.RateLimited, limited, limited},
		{providertest.RateLimitedAfter, limited, limited},
		{providertest.ServerError, unavailable, unavailable},
		{providertest.Unavailable, unavailable, unavailable},
		{providertest.Overloaded, unavailable, unavailable},
		{providertest.Unauthorized, auth, auth},
		{providertest.Forbidden, auth, auth},
		{providertest.Missing, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED},
		{providertest.TooLarge, rejected, rejected},
		{providertest.ContextExceeded, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED},
		{providertest.ContentFilter, llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED, llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED},
		{providertest.Rejected, rejected, rejected},
		{providertest.Reset, unavailable, unavailable},
		{providertest.HTML, unavailable, unavailable},
		{providertest.Redirect, unavailable, unavailable},
		{providertest.Gzip, none, none},
		{providertest.Truncated, unavailable, none},
		{providertest.Cut, unavailable, cut},
		{providertest.EndsEarly, unavailable, cut},
		{providertest.Malformed, unavailable, unavailable},
		{providertest.Huge, none, cut},
		{providertest.ErrorInStream, none, unavailable},
	}
	up := fake.New(t)
	a := adapter(t, at(up))
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
			r, err := a.Stream(t.Context(), adaptertest.Ask(tt.model, "one two three"))
			if err == nil {
				_, _, err = adaptertest.Read(r)
			}
			check(t, err, tt.streamed)
		})
	}
	if _, err := a.Embed(t.Context(), &provider.EmbedRequest{Model: "m", Inputs: []string{"x"}}); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) {
		t.Errorf("embed: %v", err)
	}
}

func TestCancelReachesTheProvider(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, at(up))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := a.Stream(ctx, adaptertest.Ask(providertest.Stall, "one two three four"))
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, _, err := adaptertest.Read(r); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
		t.Errorf("got %v", err)
	}
	if _, ok := up.Last().AwaitCancelled(time.Second); !ok {
		t.Error("the provider goes on")
	}
}

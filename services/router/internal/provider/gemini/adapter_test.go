package gemini_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	fake "github.com/tollgate/tollgate/services/internal/providertest/gemini"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/gemini"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "AIza-very-secret"

func closed(t *testing.T, a provider.Adapter, err error) provider.Adapter {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.(io.Closer).Close() })
	return a
}

func adapter(t *testing.T, base string) provider.Adapter {
	t.Helper()
	a, err := gemini.New(provider.Target{Name: "t", BaseURL: base, APIKey: secret.New(key)})
	return closed(t, a, err)
}

func text(role llmv1.Role, s string) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: s}}}}}
}

func ask(model, words string) *provider.Request {
	return &provider.Request{Model: model, Conversation: &llmv1.Conversation{Model: model, Messages: []*llmv1.Message{text(llmv1.Role_ROLE_USER, words)}}}
}

// read reads a stream to its end.
func read(r stream.Reader) (said, thought string, usage *llmv1.Usage, err error) {
	defer func() { _ = r.Close() }()
	for {
		c, err := r.Next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return said, thought, usage, err
		}
		for i := range c.Events {
			switch e := &c.Events[i]; e.Kind {
			case stream.Text:
				said += string(e.Delta)
			case stream.Thinking:
				thought += string(e.Delta)
			case stream.Usage:
				usage = proto.CloneOf(e.Tokens) // the reader uses it again
			}
		}
	}
}

func TestGenerate(t *testing.T) {
	up := fake.New(t)
	up.Key = key
	for _, base := range []string{up.BaseURL(), up.BaseURL() + "/v1beta/"} {
		got, err := adapter(t, base).Generate(t.Context(), ask("gemini-2.5-flash", "hello there"))
		if err != nil {
			t.Fatal(err)
		}
		c := got.Completion
		if said := c.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText(); said != "You said: hello there" {
			t.Errorf("text %q", said)
		}
		if c.GetUsage().GetInputTokens() != 2 || c.GetUsage().GetOutputTokens() != 4 || got.Dialect != "gemini" || len(got.Native) == 0 {
			t.Errorf("answer %v", got)
		}
		last := up.Last()
		if last.Path != "/v1beta/models/gemini-2.5-flash:generateContent" || last.Header.Get("X-Goog-Api-Key") != key || len(last.Query) > 0 {
			t.Errorf("asked %s %v", last.Path, last.Header)
		}
	}
}

func TestStream(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	for _, model := range []string{"gemini-2.5-flash", providertest.UnknownFields, providertest.SlowFirstToken, providertest.Thinking} {
		r, err := a.Stream(t.Context(), ask(model, "one two three"))
		if err != nil {
			t.Fatal(err)
		}
		said, thought, usage, err := read(r)
		if err != nil || said != "You said: one two three" || usage.GetInputTokens() != 3 || usage.GetOutputTokens() != 5 {
			t.Errorf("%s: %q, %v, %v", model, said, usage, err)
		}
		if (thought != "") != (model == providertest.Thinking) || (usage.GetReasoningTokens() > 0) != (thought != "") {
			t.Errorf("%s: thought %q, %v", model, thought, usage)
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	for range 5 {
		r, err := a.Stream(t.Context(), ask("m", "x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := read(r); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Generate(t.Context(), ask("m", "x")); err != nil {
			t.Fatal(err)
		}
	}
	if n := up.Connections(); n != 1 {
		t.Errorf("%d connections for ten requests", n)
	}
}

// call makes a turn with a call that came from another provider, and its result.
func call(id, name, arguments, result string) []*llmv1.Message {
	return []*llmv1.Message{
		{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
			{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: "hm", Signature: "another provider's"}}},
			{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: id, Name: name, Arguments: arguments}}},
		}},
		{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{{Content: &llmv1.Part_ToolResult{ToolResult: &llmv1.ToolResult{
			ToolCallId: id, Parts: text(0, result).GetParts(),
		}}}}},
	}
}

// The provider takes histories of other providers, of any generation of models.
func TestForeignHistory(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	for _, model := range []string{"gemini-2.5-flash", "gemini-3-pro-preview"} {
		r := ask(model, "look")
		r.Conversation.Tools = []*llmv1.Tool{{Name: "find", Parameters: `{"type":"object","properties":{"n":{"type":"integer"}},"additionalProperties":false}`}}
		r.Conversation.Messages = append(r.Conversation.Messages, call("call_1", "find", `{"n": 1}`, "found")...)
		r.Conversation.Messages = append(r.Conversation.Messages, call("tgcall_7", "find", `{"n": 2}`, `{"k":1}`)...)
		got, err := a.Generate(t.Context(), r)
		if err != nil {
			t.Fatalf("%s: %v", model, errs.From(err).LogValue())
		}
		if len(got.Completion.GetCandidates()) != 1 {
			t.Errorf("%s: got %v", model, got.Completion)
		}
		if body := string(up.Last().Body); strings.Contains(body, "tgcall_") || strings.Contains(body, "another provider") {
			t.Errorf("%s: sent %s", model, body)
		}
	}
}

func TestEmbedAndCount(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	var inputs []string
	for i := range 150 {
		inputs = append(inputs, "text "+strconv.Itoa(i))
	}
	got, err := a.Embed(t.Context(), &provider.EmbedRequest{Model: "gemini-embedding-001", Inputs: inputs, Dimensions: 4})
	if err != nil {
		t.Fatal(err)
	}
	for i, input := range inputs {
		if !slices.Equal(got.Vectors[i], providertest.Vector(input, 4)) {
			t.Fatalf("vector %d: %v", i, got.Vectors[i])
		}
	}
	if n := len(up.Requests()); n != 2 || got.Model != "gemini-embedding-001" {
		t.Errorf("%d requests, model %q", n, got.Model)
	}
	n, err := a.(provider.TokenCounter).CountTokens(t.Context(), ask("gemini-2.5-flash", "one two three"))
	if err != nil || n != 3 {
		t.Errorf("counted %d, %v", n, err)
	}
}

func TestFaults(t *testing.T) {
	const (
		unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		limited     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
		auth        = llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
		missing     = llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
		context     = llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
		filtered    = llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED
		rejected    = llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
		late        = llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
		cut         = llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
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
		{providertest.TimedOut, late, late},
		{providertest.Unauthorized, auth, auth},
		{providertest.Forbidden, auth, auth},
		{providertest.Missing, missing, missing},
		{providertest.TooLarge, rejected, rejected},
		{providertest.ContextExceeded, context, context},
		{providertest.ContentFilter, filtered, filtered},
		{providertest.Rejected, rejected, rejected},
		{providertest.Reset, unavailable, unavailable},
		{providertest.HTML, unavailable, unavailable},
		{providertest.Redirect, unavailable, unavailable},
		{providertest.Truncated, unavailable, none},
		{providertest.Cut, unavailable, cut},
		{providertest.EndsEarly, unavailable, cut},
		{providertest.NoDone, none, cut},
		{providertest.Malformed, unavailable, unavailable},
		{providertest.ErrorInStream, none, unavailable},
		{providertest.NoUsage, none, none},
		{providertest.ZeroUsage, none, none},
		{providertest.Refusal, none, none},
	}
	up := fake.New(t)
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
		for _, leak := range []string{"sk-", "10.1.2.3", "127.0.0.1", up.URL, key} {
			if strings.Contains(shown, leak) {
				t.Errorf("%q shows %q", shown, leak)
			}
		}
	}
	for _, tt := range tests {
		t.Run(tt.model, func(t *testing.T) {
			_, err := a.Generate(t.Context(), ask(tt.model, "one two three"))
			check(t, err, tt.whole)
			if e := errs.From(err); tt.model == providertest.RateLimitedAfter && e.RetryAfter != time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
			if e := errs.From(err); tt.model == providertest.Rejected && !strings.HasSuffix(e.Message, ": generation_config.top_k") {
				t.Errorf("message %q", e.Message)
			}
			r, err := a.Stream(t.Context(), ask(tt.model, "one two three"))
			if err == nil {
				_, _, _, err = read(r)
			}
			check(t, err, tt.streamed)
		})
	}
}

func TestCancelReachesTheProvider(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	ctx, cancel := context.WithCancel(t.Context())
	r, err := a.Stream(ctx, ask(providertest.Stall, "one two three"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, _, _, err := read(r); err == nil {
		t.Error("a cancelled stream ended well")
	}
	if _, ok := up.Last().AwaitCancelled(time.Second); !ok {
		t.Error("the provider did not notice")
	}
}

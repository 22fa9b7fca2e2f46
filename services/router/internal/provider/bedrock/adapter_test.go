package bedrock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	fake "github.com/tollgate/tollgate/services/internal/providertest/bedrock"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/adaptertest"
	"github.com/tollgate/tollgate/services/router/internal/provider/bedrock"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target is one that signs with the fake's keys.
func target(base string) provider.Target {
	return provider.Target{
		Name: "t", Provider: bedrock.Bedrock, BaseURL: base, Region: "eu-central-1",
		AWS:      provider.AWS{AccessKeyID: awstest.AccessKey, SecretAccessKey: secret.New(awstest.Secret), SessionToken: secret.New("a-session")},
		Timeouts: provider.Timeouts{Connect: config.Duration(300 * time.Millisecond)},
	}
}

func adapter(t *testing.T, of provider.Target) *bedrock.Adapter {
	t.Helper()
	a, err := bedrock.New(of)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.(io.Closer).Close() })
	return a.(*bedrock.Adapter)
}

// read reads a stream to its end.
func read(r stream.Reader, err error) (text string, usage *llmv1.Usage, _ error) {
	if err != nil {
		return "", nil, err
	}
	defer func() { _ = r.Close() }()
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return text, usage, nil
		}
		if err != nil {
			return text, usage, err
		}
		for i := range c.Events {
			switch e := &c.Events[i]; e.Kind {
			case stream.Text, stream.ToolArguments:
				text += string(e.Delta)
			case stream.Usage:
				usage = e.Tokens
			}
		}
	}
}

func textOf(a *provider.Answer) (text string) {
	for _, p := range a.Completion.GetCandidates()[0].GetMessage().GetParts() {
		text += p.GetText().GetText() + p.GetToolCall().GetArguments()
	}
	return text
}

// Model names of every kind are one segment of the path, and signed as such.
func TestModelNames(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()+"/"))
	for model, path := range map[string]string{
		"amazon.nova-lite-v1:0":                                                     "amazon.nova-lite-v1%3A0",
		"eu.anthropic.claude-sonnet-4-5-20250929-v1:0":                              "eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0",
		"arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a": "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aapplication-inference-profile%2Fa",
		"arn:aws:bedrock:eu-central-1:123456789012:provisioned-model/b+c":           "arn%3Aaws%3Abedrock%3Aeu-central-1%3A123456789012%3Aprovisioned-model%2Fb%2Bc",
	} {
		got, err := a.Generate(t.Context(), adaptertest.Ask(model, "hello there"))
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		if up.Last().Path != "/model/"+path+"/converse" || got.Completion.GetModel() != model || got.Dialect != converse.Dialect {
			t.Errorf("%s: asked %s, got %v", model, up.Last().Path, got.Completion)
		}
		text, usage, err := read(a.Stream(t.Context(), adaptertest.Ask(model, "hello there")))
		if err != nil || text != textOf(got) || text == "" || usage.GetOutputTokens() != got.Completion.GetUsage().GetOutputTokens() {
			t.Errorf("%s: %q, %v, %v", model, text, usage, err)
		}
		if up.Last().Path != "/model/"+path+"/converse-stream" {
			t.Errorf("%s: asked %s", model, up.Last().Path)
		}
	}
}

func TestCredentials(t *testing.T) {
	up := fake.New(t)
	up.Key = "a-bearer-key"
	bearer := target(up.BaseURL())
	bearer.AWS, bearer.APIKey = provider.AWS{}, secret.New(up.Key)
	if _, err := adapter(t, bearer).Generate(t.Context(), adaptertest.Ask("m", "x")); err != nil {
		t.Errorf("bearer: %v", err)
	}
	if got := up.Last().Header.Get("Authorization"); got != "Bearer "+up.Key {
		t.Errorf("bearer: %s", got)
	}
	wrong := target(up.BaseURL())
	wrong.AWS.SecretAccessKey = secret.New("other")
	if _, err := adapter(t, wrong).Generate(t.Context(), adaptertest.Ask("m", "x")); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH) {
		t.Errorf("wrong secret: %v", err)
	}
}

// The same dialect goes through byte for byte, both ways.
func TestNative(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()))
	const body = `{"x_unknown" : 1, "messages":[{"role":"user","content":[{"text":"hello \u0074here"}]}], "inferenceConfig":{"maxTokens": 50}}`
	native, c, err := converse.ParseRequest([]byte(body), "m")
	if err != nil {
		t.Fatal(err)
	}
	r := &provider.Request{Model: "~" + providertest.UnknownFields, Conversation: c, Native: native}
	got, err := a.Generate(t.Context(), r)
	if err != nil || string(up.Last().Body) != body || string(converse.EncodeAnswer(got, nil, 0)) != string(got.Native) {
		t.Errorf("sent %s, got %s, %v", up.Last().Body, got.Native, err)
	}
	s, err := a.Stream(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	for {
		chunk, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(chunk.Native) == 0 && len(chunk.Events) > 0 || chunk.Dialect != converse.Dialect {
			t.Errorf("chunk %+v", chunk)
		}
	}
}

func TestContent(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()))
	tools := []*llmv1.Tool{{Name: "weather", Parameters: `{"type":"object","properties":{"city":{"type":"string"}}}`}, {Name: "clock", Parameters: `{"type":"object","properties":{"city":{"type":"string"}}}`}}
	for _, model := range []string{providertest.ParallelTools, providertest.OddArguments, providertest.Thinking, providertest.Redacted, providertest.Cached} {
		r := adaptertest.Ask(model, "one two three four")
		if strings.Contains(model, "tools") || model == providertest.OddArguments {
			r.Conversation.Tools = tools
		}
		whole, err := a.Generate(t.Context(), r)
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		text, usage, err := read(a.Stream(t.Context(), r))
		if err != nil || usage.String() != whole.Completion.GetUsage().String() {
			t.Errorf("%s: %v, %v, whole %v", model, err, usage, whole.Completion.GetUsage())
		}
		if model == providertest.OddArguments {
			// A whole answer is JSON throughout; there the arguments are what stands in it.
			if !strings.Contains(text, providertest.OddJSON) || !strings.Contains(string(whole.Native), `"input":`+textOf(whole)) {
				t.Errorf("arguments %q and %q", text, textOf(whole))
			}
		} else if text != textOf(whole) {
			t.Errorf("%s: %q, whole %q", model, text, textOf(whole))
		}
	}
}

var failures = map[string]llmv1.ErrorReason{
	providertest.RateLimited:      llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	providertest.RateLimitedAfter: llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	providertest.ServerError:      llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	providertest.Unavailable:      llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	providertest.Overloaded:       llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	providertest.TimedOut:         llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT,
	providertest.Unauthorized:     llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH,
	providertest.Forbidden:        llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH,
	providertest.Missing:          llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
	providertest.TooLarge:         llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED,
	providertest.ContextExceeded:  llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED,
	providertest.Rejected:         llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED,
	providertest.Reset:            llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	providertest.HTML:             llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	providertest.Redirect:         llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	fake.NotReady:                 llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	fake.ModelFailed:              llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	fake.Quota:                    llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	fake.NoOnDemand:               llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
}

// leaks says whether an error shows what only the provider may know.
func leaks(err error) bool {
	text := err.Error() + errs.From(err).Message + fmt.Sprintf("%+v", errors.Unwrap(err))
	return strings.Contains(text, "sk-leaked") || strings.Contains(text, "10.1.2.3") || strings.Contains(text, "127.0.0.1")
}

func TestErrors(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()))
	for model, want := range failures {
		_, whole := a.Generate(t.Context(), adaptertest.Ask(model, "x"))
		_, _, live := read(a.Stream(t.Context(), adaptertest.Ask(model, "x")))
		for _, err := range []error{whole, live} {
			if !errs.Is(err, want) || leaks(err) {
				t.Errorf("%s: %v", model, err)
			}
		}
		if model == providertest.RateLimitedAfter && errs.From(whole).RetryAfter != time.Second {
			t.Errorf("retry after %v", errs.From(whole).RetryAfter)
		}
	}
}

func TestStreams(t *testing.T) {
	up := fake.New(t)
	up.Delay = 20 * time.Millisecond
	a := adapter(t, target(up.BaseURL()))
	whole, err := a.Generate(t.Context(), adaptertest.Ask("m", "one two three four"))
	if err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{providertest.Tiny, providertest.OneWrite, providertest.SlowFirstToken, awstest.UnknownEvent, providertest.NoUsage} {
		text, usage, err := read(a.Stream(t.Context(), adaptertest.Ask(model, "one two three four")))
		if err != nil || text != textOf(whole) || (usage == nil) != (model == providertest.NoUsage) {
			t.Errorf("%s: %q, %v, %v", model, text, usage, err)
		}
	}
	for model, want := range map[string]llmv1.ErrorReason{
		providertest.Cut:           llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		providertest.EndsEarly:     llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		awstest.BadCRC:             llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		awstest.BadPrelude:         llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		providertest.Huge:          llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		providertest.Malformed:     llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		providertest.ErrorInStream: llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		awstest.Unmodelled:         llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		awstest.Throttled:          llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	} {
		if _, _, err := read(a.Stream(t.Context(), adaptertest.Ask(model, "one two three four"))); !errs.Is(err, want) || leaks(err) {
			t.Errorf("%s: %v", model, err)
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()))
	for range 5 {
		if _, _, err := read(a.Stream(t.Context(), adaptertest.Ask("m", "x"))); err != nil {
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

func TestCancel(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()))
	ctx, cancel := context.WithCancel(t.Context())
	r, err := a.Stream(ctx, adaptertest.Ask(providertest.Stall, "one two three four"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	cancel()
	for err == nil {
		_, err = r.Next()
	}
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
		t.Errorf("got %v", err)
	}
}

// Counting asks for the conversation only, in Converse's form.
func TestCountTokens(t *testing.T) {
	var path, body string
	answer, status := `{"inputTokens":7}`, http.StatusOK
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		path, body = r.URL.EscapedPath(), string(raw)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer up.Close()
	a := adapter(t, target(up.URL))
	r := adaptertest.Ask("anthropic.x:0", "hi")
	r.Context, r.Conversation.Sampling = "C", &llmv1.Sampling{Stop: []string{"x"}}
	n, err := a.CountTokens(t.Context(), r)
	const want = `{"input":{"converse":{"messages":[{"role":"user","content":[{"text":"C\n\nhi"}]}]}}}`
	if err != nil || n != 7 || path != "/model/anthropic.x%3A0/count-tokens" || body != want {
		t.Errorf("%d, %v: asked %s %s", n, err, path, body)
	}
	for _, answer = range []string{`{}`, `{"inputTokens":-1}`, `[]`, `{"inputTokens":1`} {
		if n, err := a.CountTokens(t.Context(), r); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%s: %d, %v", answer, n, err)
		}
	}
	status = http.StatusBadRequest
	if _, err := a.CountTokens(t.Context(), r); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED) {
		t.Errorf("refused: %v", err)
	}
}

func TestEmbed(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()))
	texts := make([]string, 100)
	for i := range texts {
		texts[i] = fmt.Sprintf("text number %d", i)
	}
	for model, dimensions := range map[string]int32{
		"amazon.titan-embed-text-v1": 0, "amazon.titan-embed-text-v2:0": 256, "cohere.embed-english-v3": 0, "eu.cohere.embed-v4:0": 512,
	} {
		got, err := a.Embed(t.Context(), &provider.EmbedRequest{Model: model, Inputs: texts, Dimensions: dimensions})
		if err != nil {
			t.Errorf("%s: %v", model, err)
			continue
		}
		size := len(got.Vectors[0])
		if dimensions > 0 && size != int(dimensions) || got.Usage.GetInputTokens() != 300 {
			t.Errorf("%s: %d dimensions, %v", model, size, got.Usage)
		}
		for i, text := range texts {
			if !slices.Equal(got.Vectors[i], providertest.Vector(text, size)) {
				t.Fatalf("%s: vector %d is another's", model, i)
			}
		}
	}
	got, err := a.Embed(t.Context(), &provider.EmbedRequest{Model: "cohere.embed-x~" + providertest.NoUsage, Inputs: texts[:1]})
	if err != nil || got.Usage != nil {
		t.Errorf("without usage: %v, %v", got, err)
	}
	for model, want := range map[string]llmv1.ErrorReason{
		"amazon.nova-lite-v1:0":                               llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		"amazon.titan-embed-text-v1":                          llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, // has one size only
		"cohere.embed-english-v3":                             llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		"amazon.titan-embed-text-v2~" + providertest.Rejected: llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED,
	} {
		if got, err := a.Embed(t.Context(), &provider.EmbedRequest{Model: model, Inputs: texts[:20], Dimensions: 256}); !errs.Is(err, want) {
			t.Errorf("%s: %v, %v", model, got, err)
		}
	}
}

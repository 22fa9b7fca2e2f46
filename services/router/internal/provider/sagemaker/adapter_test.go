package sagemaker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	fake "github.com/tollgate/tollgate/services/internal/providertest/sagemaker"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/adaptertest"
	"github.com/tollgate/tollgate/services/router/internal/provider/sagemaker"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func adapter(t *testing.T, base string) provider.Adapter {
	t.Helper()
	a, err := sagemaker.New(provider.Target{
		Name: "t", Provider: sagemaker.SageMaker, BaseURL: base, Region: "eu-central-1",
		AWS: provider.AWS{AccessKeyID: awstest.AccessKey, SecretAccessKey: secret.New(awstest.Secret)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.(io.Closer).Close() })
	return a
}

func TestChat(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	got, err := a.Generate(t.Context(), adaptertest.Ask("my-endpoint", "Grüße 東京 🗼 there"))
	if err != nil {
		t.Fatal(err)
	}
	want := got.Completion.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText()
	if up.Last().Path != "/endpoints/my-endpoint/invocations" || got.Dialect != openai.Dialect || !strings.Contains(want, "東京 🗼") {
		t.Errorf("asked %s, got %q", up.Last().Path, want)
	}
	// The container's bytes are cut anywhere.
	for _, model := range []string{"my-endpoint", providertest.Tiny, providertest.OneWrite, providertest.CRLF, providertest.Comments, providertest.BOM, providertest.NoDone, awstest.UnknownEvent} {
		text, usage, err := adaptertest.ReadOpened(a.Stream(t.Context(), adaptertest.Ask(model, "Grüße 東京 🗼 there")))
		if err != nil || text != want || usage.GetOutputTokens() != got.Completion.GetUsage().GetOutputTokens() {
			t.Errorf("%s: %q, %v, %v", model, text, usage, err)
		}
	}
	if up.Last().Header.Get("X-Amzn-Sagemaker-Inference-Component") != "" {
		t.Error("a component is named that was not asked for")
	}
}

// The name behind the slash chooses a model of the endpoint.
func TestComponent(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	for range 2 {
		if _, err := a.Generate(t.Context(), adaptertest.Ask("my-endpoint/llama", "x")); err != nil {
			t.Fatal(err)
		}
		if h := up.Last().Header.Get("X-Amzn-Sagemaker-Inference-Component"); h != "llama" || up.Last().Path != "/endpoints/my-endpoint/invocations" {
			t.Errorf("asked %s for %q", up.Last().Path, h)
		}
		if _, _, err := adaptertest.ReadOpened(a.Stream(t.Context(), adaptertest.Ask("my-endpoint/llama", "x"))); err != nil {
			t.Fatal(err)
		}
		if h := up.Last().Header.Get("X-Amzn-Sagemaker-Inference-Component"); h != "llama" {
			t.Errorf("streamed from %q", h)
		}
	}
}

// What the client wrote in this format goes through as it is.
func TestNative(t *testing.T) {
	up := fake.New(t)
	native, c, err := openai.ParseRequest([]byte(`{"model":"e", "x_unknown" : [1 ], "messages":[{"role":"user","content":"hi"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	a := adapter(t, up.BaseURL())
	if _, err := a.Generate(t.Context(), &provider.Request{Model: "e", Conversation: c, Native: native}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(up.Last().Body, []byte(`"x_unknown" : [1 ]`)) {
		t.Errorf("sent %s", up.Last().Body)
	}
}

// Containers have quirks as other compatible servers do.
func TestQuirks(t *testing.T) {
	up := fake.New(t)
	a, err := sagemaker.New(provider.Target{
		Name: "t", BaseURL: up.BaseURL(), Region: "eu-central-1", Quirks: provider.Quirks{MaxTokens: "max_tokens"},
		AWS: provider.AWS{AccessKeyID: awstest.AccessKey, SecretAccessKey: secret.New(awstest.Secret)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.(io.Closer).Close() }()
	r, limit := adaptertest.Ask("e", "x"), int64(5)
	r.Conversation.Sampling = &llmv1.Sampling{MaxOutputTokens: &limit}
	if _, err := a.Generate(t.Context(), r); err != nil || !bytes.Contains(up.Last().Body, []byte(`"max_tokens":5`)) {
		t.Errorf("sent %s, %v", up.Last().Body, err)
	}
}

func TestEmbed(t *testing.T) {
	up := fake.New(t)
	got, err := adapter(t, up.BaseURL()).Embed(t.Context(), &provider.EmbedRequest{Model: "e", Inputs: []string{"a", "b c"}, Dimensions: 4})
	if err != nil || len(got.Vectors) != 2 || !slices.Equal(got.Vectors[1], providertest.Vector("b c", 4)) || got.Usage.GetInputTokens() != 3 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func leaks(err error) bool {
	text := err.Error() + errs.From(err).Message + fmt.Sprintf("%+v", errors.Unwrap(err))
	return strings.Contains(text, "sk-leaked") || strings.Contains(text, "10.1.2.3") || strings.Contains(text, "127.0.0.1")
}

func TestErrors(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, up.BaseURL())
	for model, want := range map[string]llmv1.ErrorReason{
		providertest.RateLimited:     llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
		fake.NotReady:                llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
		providertest.ServerError:     llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		providertest.Overloaded:      llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		providertest.TimedOut:        llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT,
		providertest.Unauthorized:    llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH,
		providertest.Forbidden:       llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH,
		providertest.Missing:         llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		providertest.TooLarge:        llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED,
		providertest.ContextExceeded: llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, // the container says it
		providertest.Rejected:        llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED,
	} {
		_, whole := a.Generate(t.Context(), adaptertest.Ask(model, "x"))
		_, _, live := adaptertest.ReadOpened(a.Stream(t.Context(), adaptertest.Ask(model, "x")))
		for _, err := range []error{whole, live} {
			if !errs.Is(err, want) || leaks(err) {
				t.Errorf("%s: %v", model, err)
			}
		}
	}
}

func TestStreamFailures(t *testing.T) {
	up := fake.New(t)
	up.Delay = 20 * time.Millisecond
	a := adapter(t, up.BaseURL())
	for model, want := range map[string]llmv1.ErrorReason{
		providertest.Cut:           llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		providertest.EndsEarly:     llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		awstest.BadCRC:             llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		awstest.BadPrelude:         llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED,
		providertest.Malformed:     llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		providertest.ErrorInStream: llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		fake.InternalStream:        llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		awstest.Unmodelled:         llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
	} {
		if _, _, err := adaptertest.ReadOpened(a.Stream(t.Context(), adaptertest.Ask(model, "one two three four"))); !errs.Is(err, want) || leaks(err) {
			t.Errorf("%s: %v", model, err)
		}
	}
}

package router

import (
	"context"
	"io"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest"
	fakeanthropic "github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	fakebedrock "github.com/tollgate/tollgate/services/internal/providertest/bedrock"
	fakegemini "github.com/tollgate/tollgate/services/internal/providertest/gemini"
	fakesagemaker "github.com/tollgate/tollgate/services/internal/providertest/sagemaker"
	"github.com/tollgate/tollgate/services/router/internal/fault"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/adaptertest"
)

// networked are targets of every provider that is asked over a network.
func networked(t *testing.T) []provider.Target {
	t.Helper()
	openai, aws := providertest.New(t), provider.AWS{AccessKeyID: awstest.AccessKey, SecretAccessKey: secret.New(awstest.Secret)}
	key := secret.New("key")
	return []provider.Target{
		{Name: "openai", Provider: "openai", BaseURL: openai.BaseURL(), APIKey: key},
		{Name: "compatible", Provider: "openai-compatible", BaseURL: openai.BaseURL(), APIKey: key},
		{Name: "azure", Provider: "azure", BaseURL: openai.URL, APIKey: key},
		{Name: "anthropic", Provider: "anthropic", BaseURL: fakeanthropic.New(t).BaseURL(), APIKey: key},
		{Name: "gemini", Provider: "gemini", BaseURL: fakegemini.New(t).BaseURL(), APIKey: key},
		{Name: "bedrock", Provider: "bedrock", BaseURL: fakebedrock.New(t).BaseURL(), Region: "eu-west-1", AWS: aws},
		{Name: "sagemaker", Provider: "sagemaker", BaseURL: fakesagemaker.New(t).BaseURL(), Region: "eu-west-1", AWS: aws},
	}
}

const question = "a question of some words, so that the answer has as many"

// ask asks an adapter under faults, streamed or not.
func ask(t *testing.T, a provider.Adapter, f fault.Faults, streamed bool, timeout time.Duration) (text string, took time.Duration, err error) {
	t.Helper()
	f.Share = 1
	began := time.Now()
	plan := fault.NewPlan(f, began.Add(time.Minute))
	ctx, cancel := context.WithTimeoutCause(fault.NewContext(t.Context(), plan), timeout, errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, ""))
	defer cancel()
	if streamed {
		text, _, err = adaptertest.ReadOpened(a.Stream(ctx, adaptertest.Ask("gpt-4o-mini", question)))
	} else {
		var answer *provider.Answer
		if answer, err = a.Generate(ctx, adaptertest.Ask("gpt-4o-mini", question)); err == nil {
			text = answer.Completion.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText()
		}
	}
	if plan.Struck() != 1 {
		t.Errorf("%d exchanges were hit", plan.Struck())
	}
	return text, time.Since(began), err
}

// Every adapter meets a drill's faults as it would meet a provider's own.
func TestFaultsReachEveryAdapter(t *testing.T) {
	const (
		limited     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
		unavailable = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
		timeout     = llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
		interrupted = llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	)
	status := func(code int) fault.Faults {
		return fault.Faults{Statuses: []fault.Status{{Code: code, Weight: 1}}, RetryAfter: 1500 * time.Millisecond}
	}
	for _, target := range networked(t) {
		t.Run(target.Name, func(t *testing.T) {
			a, err := kinds()[target.Provider].New(target)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = a.(io.Closer).Close() }()
			if _, ok := a.(fault.Injectable); !ok {
				t.Fatal("it refuses drills")
			}
			whole, _, err := ask(t, a, fault.Faults{Latency: 30 * time.Millisecond}, true, 10*time.Second)
			if err != nil || whole == "" {
				t.Fatalf("a late stream: %q, %v", whole, err)
			}
			for _, c := range []struct {
				name     string
				faults   fault.Faults
				streamed bool
				want     llmv1.ErrorReason
				least    time.Duration
			}{
				{"a late answer", fault.Faults{Latency: 30 * time.Millisecond}, false, 0, 30 * time.Millisecond},
				{"a status", status(503), false, unavailable, 0},
				{"a status for a stream", status(500), true, unavailable, 0},
				{"a limit", status(429), true, limited, 0},
				{"a blackhole", fault.Faults{Blackhole: true}, false, timeout, 300 * time.Millisecond},
				{"a blackhole for a stream", fault.Faults{Blackhole: true}, true, timeout, 300 * time.Millisecond},
				{"a cut answer", fault.Faults{Cut: &fault.Cut{Bytes: 20}}, false, unavailable, 0},
				{"a stream cut by bytes", fault.Faults{Cut: &fault.Cut{Bytes: 700}}, true, interrupted, 0},
				{"a stream cut by events", fault.Faults{Cut: &fault.Cut{Events: 5}}, true, interrupted, 0},
				{"a stream cut at once", fault.Faults{Cut: &fault.Cut{}}, true, interrupted, 0},
				{"a whole answer has no events", fault.Faults{Cut: &fault.Cut{Events: 1}}, false, 0, 0},
			} {
				limit := 10 * time.Second
				if c.faults.Blackhole {
					limit = 300 * time.Millisecond
				}
				text, took, err := ask(t, a, c.faults, c.streamed, limit)
				switch {
				case c.want == 0 && (err != nil || text == ""), c.want != 0 && !errs.Is(err, c.want), took < c.least:
					t.Errorf("%s: %q after %s, %v", c.name, text, took, err)
				case c.want == limited && errs.From(err).RetryAfter != 2*time.Second:
					t.Errorf("%s: to be retried after %s", c.name, errs.From(err).RetryAfter)
				case c.want == interrupted && len(text) >= len(whole):
					t.Errorf("%s: nothing is missing", c.name)
				}
			}
		})
	}
}

// What waits on a fault when the drill ends is let through.
func TestEndOfFaultsLetsThrough(t *testing.T) {
	up := providertest.New(t)
	a, err := kinds()["openai-compatible"].New(provider.Target{Name: "t", BaseURL: up.BaseURL()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.(io.Closer).Close() }()
	for name, f := range map[string]fault.Faults{
		"blackhole": {Share: 1, Blackhole: true},
		"cut":       {Share: 1, Latency: time.Minute, Cut: &fault.Cut{}},
		"errors":    {Share: 1, Latency: time.Minute, Statuses: []fault.Status{{Code: 500, Weight: 1}}},
	} {
		plan := fault.NewPlan(f, time.Now().Add(time.Hour))
		time.AfterFunc(50*time.Millisecond, plan.Stop)
		_, _, err := adaptertest.ReadOpened(a.Stream(fault.NewContext(t.Context(), plan), adaptertest.Ask("gpt-4o-mini", question)))
		if err != nil || plan.Struck() != 1 {
			t.Errorf("%s: %v, %d hit", name, err, plan.Struck())
		}
	}
}

func TestBuiltinRefusesDrills(t *testing.T) {
	a, err := kinds()["builtin"].New(provider.Target{Name: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := a.(fault.Injectable); ok {
		t.Error("faults are injected into nothing")
	}
}

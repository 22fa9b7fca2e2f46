package observe

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Answer is what came of a call.
type Answer struct {
	ID, Model    string
	Finish       []llmv1.FinishReason
	Usage        *llmv1.Usage
	Outcome      billingv1.Outcome
	Err          error
	FirstContent time.Duration // 0 if none came
	Duration     time.Duration
}

// Metrics are the router's instruments.
type Metrics struct {
	tokenUsage metric.Int64Histogram
	duration   metric.Float64Histogram
	firstToken metric.Float64Histogram
	attempts   metric.Int64Counter
	ruleFaults metric.Int64Counter
	rescues    rescues
	limited    metric.Int64Counter

	// sets remembers the attributes of calls; a limit keeps names that clients
	// make up from filling the memory.
	sets  sync.Map // setKey → *sets
	count atomic.Int64
}

const maxSets = 1024

type setKey struct {
	call    Call
	outcome billingv1.Outcome
	reason  llmv1.ErrorReason
}

type sets struct {
	call, input, output, outcome metric.MeasurementOption
}

// Bucket bounds are those that the GenAI semantic conventions advise.
var (
	secondBounds = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	firstBounds  = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	tokenBounds  = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
)

// NewMetrics makes the instruments.
func NewMetrics(m metric.Meter) (*Metrics, error) {
	var out Metrics
	var errTokens, errDuration, errFirst, errAttempts, errRules, errLimited error
	out.tokenUsage, errTokens = m.Int64Histogram("gen_ai.client.token.usage", metric.WithUnit("{token}"),
		metric.WithDescription("Tokens of a call."), metric.WithExplicitBucketBoundaries(tokenBounds...))
	out.duration, errDuration = m.Float64Histogram("gen_ai.client.operation.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of a call of a target."), metric.WithExplicitBucketBoundaries(secondBounds...))
	out.firstToken, errFirst = m.Float64Histogram("gen_ai.server.time_to_first_token", metric.WithUnit("s"),
		metric.WithDescription("Time until a target's first content."), metric.WithExplicitBucketBoundaries(firstBounds...))
	out.attempts, errAttempts = m.Int64Counter("tollgate.router.attempts", metric.WithUnit("{attempt}"),
		metric.WithDescription("Attempts by target and outcome."))
	out.ruleFaults, errRules = m.Int64Counter("tollgate.router.rule_faults", metric.WithUnit("{request}"),
		metric.WithDescription("Requests for which the condition of a route's rule had no answer."))
	out.limited, errLimited = m.Int64Counter("tollgate.router.limited", metric.WithUnit("{refusal}"),
		metric.WithDescription("Requests that a target's own limits did not let through to it, by target and limit."))
	return &out, errors.Join(errTokens, errDuration, errFirst, errAttempts, errRules, errLimited, out.rescues.make(m))
}

// RuleFault counts a request for which the condition of a route's rule had no answer.
func (m *Metrics) RuleFault(ctx context.Context, route, rule string) {
	m.ruleFaults.Add(ctx, 1, metric.WithAttributes(
		attribute.String("tollgate.route", route), attribute.String("tollgate.rule", rule)))
}

// Record counts a call.
func (m *Metrics) Record(ctx context.Context, c Call, a *Answer) {
	s := m.setsFor(c, a)
	m.attempts.Add(ctx, 1, s.outcome)
	m.duration.Record(ctx, a.Duration.Seconds(), s.call)
	if a.FirstContent > 0 {
		m.firstToken.Record(ctx, a.FirstContent.Seconds(), s.call)
	}
	if a.Usage != nil && a.Usage.GetSource() != llmv1.UsageSource_USAGE_SOURCE_NONE {
		input := tokens.Input(a.Usage)
		m.tokenUsage.Record(ctx, input, s.input)
		m.tokenUsage.Record(ctx, tokens.Total(a.Usage)-input, s.output)
	}
}

func (m *Metrics) setsFor(c Call, a *Answer) *sets {
	key := setKey{call: c, outcome: a.Outcome}
	if a.Err != nil {
		key.reason = errs.From(a.Err).Reason
	}
	if known, ok := m.sets.Load(key); ok {
		return known.(*sets)
	}
	made := newSets(key)
	if m.count.Load() < maxSets {
		if _, there := m.sets.LoadOrStore(key, made); !there {
			m.count.Add(1)
		}
	}
	return made
}

func newSets(k setKey) *sets {
	base := []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", k.call.Operation),
		attribute.String("gen_ai.provider.name", providerName(k.call.Provider)),
		attribute.String("gen_ai.request.model", k.call.Model),
	}
	with := func(extra ...attribute.KeyValue) metric.MeasurementOption {
		all := append(append(make([]attribute.KeyValue, 0, len(base)+len(extra)), base...), extra...)
		return metric.WithAttributeSet(attribute.NewSet(all...))
	}
	s := &sets{
		call:   with(),
		input:  with(attribute.String("gen_ai.token.type", "input")),
		output: with(attribute.String("gen_ai.token.type", "output")),
		outcome: metric.WithAttributeSet(attribute.NewSet(
			attribute.String("tollgate.target", k.call.Target),
			attribute.String("tollgate.outcome", outcomeName(k.outcome)))),
	}
	if k.reason != 0 {
		s.call = with(attribute.String("error.type", lower(k.reason.String(), "ERROR_REASON_")))
	}
	return s
}

func outcomeName(o billingv1.Outcome) string { return lower(o.String(), "OUTCOME_") }

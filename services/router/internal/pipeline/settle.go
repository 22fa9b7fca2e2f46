package pipeline

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// cost is what the request cost, all attempts together.
type cost struct {
	nanousd  int64
	unpriced bool
}

// settle writes the last record before the client sees that the answer is
// complete, and asks for its price.
func settle(ctx context.Context, r *request) error {
	ctx, span := telemetry.Start(ctx, "router.settle")
	r.attempt.End(attempt.End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED, Last: true})
	if spent := r.ledger.Spent(); len(spent) > 0 {
		u := spent[len(spent)-1].Usage
		r.decision.Entry.Observe(tokens.Total(u) - tokens.Input(u))
	}
	r.cost = r.price(ctx)
	if span.IsRecording() {
		span.SetAttributes(attribute.Int64("tollgate.cost_nanousd", r.cost.nanousd),
			attribute.Bool("tollgate.unpriced", r.cost.unpriced), attribute.Int64("tollgate.tokens", r.ledger.Used()))
	}
	telemetry.End(span, nil)
	return nil
}

// price sums the cost of the attempts. The ledger's own row does not depend on
// it: if billing does not answer, the report says that the cost is not known.
func (r *request) price(ctx context.Context) cost {
	var total cost
	for _, s := range r.ledger.Spent() {
		priced, err := r.pipeline.peers.Pricer.Price(ctx, &billingv1.PriceUsageRequest{PricedModel: s.Model, Usage: s.Usage})
		if err != nil {
			r.pipeline.log.WarnContext(ctx, "price request", slog.String("request_id", r.id), slog.Any("error", err))
			total.unpriced = true
			continue
		}
		total.nanousd += priced.GetCostNanousd()
		total.unpriced = total.unpriced || priced.GetUnpriced()
	}
	return total
}

// report says what was done.
func report(_ context.Context, r *request) error {
	r.report = r.newReport()
	r.report.CostNanousd, r.report.Unpriced = r.cost.nanousd, r.cost.unpriced
	return nil
}

// newReport says what is known so far.
func (r *request) newReport() *routerv1.RequestReport {
	out := &routerv1.RequestReport{
		RequestId: r.id, GuardrailNotices: r.notices, Citations: r.enrichment.citations, Cache: r.cache,
	}
	if r.attempt != nil { // else the cache answered
		out.Target, out.Attempts = r.attempt.Candidate.Target.Name, int32(r.ledger.Attempts())
		out.Dropped = r.decision.Fields(&r.attempt.Candidate)
	}
	if r.stream != nil {
		out.Recoveries = int32(r.stream.Recoveries())
	}
	if r.options.GetIncludeDecision() {
		out.Decision = r.decision.Explain()
	}
	return out
}

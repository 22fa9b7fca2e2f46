package pipeline

import (
	"context"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/route"
	settling "github.com/tollgate/tollgate/services/router/internal/settle"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// Models lists the models that the caller may ask for, by name.
func (p *Pipeline) Models(principal *auth.Principal) []*routerv1.Model {
	var models []*routerv1.Model
	for _, m := range p.World().Routes.Models(caller(principal)) {
		if principal.MayUse(m.Name) {
			models = append(models, describe(&m))
		}
	}
	return models
}

func describe(m *route.Model) *routerv1.Model {
	out := &routerv1.Model{
		Id: m.Name, Targets: m.Targets, ContextTokens: m.Context, OutputTokens: m.Output,
		InputModalities: m.Input, Family: m.Family,
	}
	if !m.Retires.IsZero() {
		out.RetireDate = m.Retires.Format(time.DateOnly)
	}
	return out
}

// Explain says where a request would go, what it would cost there at worst, and
// why. Nothing is called but the price list.
func (p *Pipeline) Explain(ctx context.Context, call *Call, streamed bool) (*routerv1.RouteDecision, error) {
	r, ctx := p.begin(ctx, call)
	defer r.cancel()
	r.streamed = streamed
	if err := r.pass(ctx, authorise, learnPrices); err != nil {
		return nil, err
	}
	r.decision.Foresee()
	r.estimate = r.estimated()
	explained := r.decision.Explain()
	for i := range r.decision.Order {
		priced, err := p.peers.Pricer.Price(ctx, &billingv1.PriceUsageRequest{
			PricedModel: settling.Priced(r.decision.Order[i]),
			Usage: &llmv1.Usage{
				InputTokens: r.estimate.WorstInput, OutputTokens: r.estimate.WorstOutput,
				Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED,
			},
		})
		if err != nil {
			explained.Candidates[i].Unpriced = true
			continue
		}
		explained.Candidates[i].ExpectedCostNanousd = priced.GetCostNanousd()
		explained.Candidates[i].Unpriced = priced.GetUnpriced()
	}
	return explained, nil
}

// learnPrices waits for the prices that the route looks at, for a decision that
// is to be explained rather than made.
func learnPrices(ctx context.Context, r *request) error {
	r.decision.LearnPrices(ctx)
	return r.decision.Err()
}

// Targets lists the targets with their health, in the order of the configuration.
func (p *Pipeline) Targets() []*routerv1.Target {
	world, now := p.World(), time.Now()
	targets := make([]*routerv1.Target, 0, len(world.Targets))
	for _, t := range world.Targets {
		models := t.Models.Names()
		if t.Models.Any() {
			models = append(models[:len(models):len(models)], "*")
		}
		targets = append(targets, &routerv1.Target{
			Name: t.Name, Provider: t.Provider, Region: t.Region, Models: models, Health: t.Report(now),
			Offerings: offerings(t),
		})
	}
	return targets
}

func offerings(t *target.Target) []*routerv1.Offering {
	var out []*routerv1.Offering
	for _, o := range t.Offerings() {
		out = append(out, &routerv1.Offering{
			Model: o.Model, Title: o.Title, Region: o.Region, Inputs: o.Inputs, Outputs: o.Outputs,
			Streams: o.Streams, Inference: o.Inference, Lifecycle: o.Lifecycle,
		})
	}
	return out
}

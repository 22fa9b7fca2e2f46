package pipeline

import (
	"context"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Count is how many tokens the input of a request has.
type Count struct {
	Tokens int64
	// Source says whether the target's provider counted, or an estimate was made.
	Source llmv1.UsageSource
	// Target is the target that would be asked first.
	Target string
}

// CountTokens counts the input of a request as the target would that is asked
// first: by its provider where that counts, else by an estimate. The provider
// sees the texts, so they are guarded as any other. Nothing is held or booked.
func (p *Pipeline) CountTokens(ctx context.Context, call *Call) (*Count, error) {
	r, ctx := p.begin(ctx, call)
	defer r.cancel()
	if err := r.pass(ctx, authorise, admitOne, guardInput, decide); err != nil {
		return nil, err
	}
	return r.count(ctx)
}

// admitOne takes a request, but no tokens, from the key's rates.
func admitOne(ctx context.Context, r *request) error {
	reservation, err := r.pipeline.limiter.Reserve(ctx, r.principal, 0)
	reservation.Settle(0)
	return err
}

func (r *request) count(ctx context.Context) (*Count, error) {
	first := r.decision.Order[0]
	out := &Count{Target: first.Target.Name, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}
	if counter, ok := first.Target.Adapter.(provider.TokenCounter); ok {
		ask := *r.RequestFor(first)
		ask.Model = first.Model
		n, err := counter.CountTokens(first.Target.Faults.Context(ctx), &ask)
		if err == nil || ctx.Err() != nil {
			out.Tokens = n
			return out, err
		}
		r.pipeline.log.WarnContext(ctx, "count tokens at the provider", "target", first.Target.Name, "error", err)
	}
	out.Source = llmv1.UsageSource_USAGE_SOURCE_ESTIMATED
	out.Tokens = tokens.Count(first.Tokenizer(), first.Model, tokens.Thorough, r.RequestFor(first).Conversation, "").Tokens
	return out, nil
}

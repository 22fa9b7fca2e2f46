package pipeline

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// RequestFor implements attempt.Source: what the client sent, with the route's
// defaults and instructions, without what the candidate cannot be told. What
// needs no change is not copied; a retry gets what the attempt before it got.
func (r *request) RequestFor(c *route.Candidate) *provider.Request {
	if r.asked == nil || r.askedOf != c.Place() {
		r.askedOf, r.asked = c.Place(), r.requestFor(c)
	}
	return r.asked
}

func (r *request) requestFor(c *route.Candidate) *provider.Request {
	entry := r.decision.Entry
	own, native := r.decision.Own(r.conversation.GetSampling()), r.native
	if r.decision.Replaces() {
		native = nil // the client's own words hold what a rule overrides
	}
	defaults := r.decision.Defaults().For(own)
	instructions := entry.Instructions.For(c.Target.Provider)
	whole := conversation.WithInstructions(r.conversation, instructions)
	if defaults != nil || r.decision.Replaces() {
		whole = conversation.WithSampling(whole, route.Merge(own, defaults))
	}
	if defaults != nil {
		defaults = kept(defaults, capability.Strip(whole, c.Lacks).GetSampling())
	}
	var marks conversation.CachePoints
	if entry.PromptCache == route.PromptCacheAuto && !(c.Lacks | c.Target.Wire).Has(capability.CachePoints) {
		marks = conversation.CachePointsOf(whole, func(part *llmv1.Conversation) int64 {
			return tokens.Conversation(c.Model, part)
		})
	}
	if !c.Native {
		whole = capability.Strip(conversation.WithWholeThoughts(conversation.WithCachePoints(whole, marks)), c.Lacks)
	}
	return &provider.Request{
		Conversation: whole, Native: native, Revisions: r.revisions,
		Context: r.enrichment.text, Passages: r.enrichment.passages,
		Defaults: defaults, Instructions: instructions, CachePoints: marks,
	}
}

// kept is what of the defaults is left among the parameters of a stripped
// conversation; nil if nothing is.
func kept(defaults, left *llmv1.Sampling) *llmv1.Sampling {
	if left == nil {
		return nil
	}
	out := &llmv1.Sampling{
		Temperature:      both(defaults.Temperature, left.Temperature),
		TopP:             both(defaults.TopP, left.TopP),
		TopK:             both(defaults.TopK, left.TopK),
		MaxOutputTokens:  both(defaults.MaxOutputTokens, left.MaxOutputTokens),
		Seed:             both(defaults.Seed, left.Seed),
		PresencePenalty:  both(defaults.PresencePenalty, left.PresencePenalty),
		FrequencyPenalty: both(defaults.FrequencyPenalty, left.FrequencyPenalty),
	}
	if len(defaults.GetStop()) > 0 {
		out.Stop = left.GetStop()
	}
	return out
}

func both[T any](a, b *T) *T {
	if a == nil || b == nil {
		return nil
	}
	return b
}

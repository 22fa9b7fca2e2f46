package pipeline

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// uses says how a request uses the cache.
type uses struct {
	read, write, flights bool
	began                time.Time
	wait, ttl            time.Duration
	maxBytes             int
	paced                bool
	terms                cache.Terms
}

// Versioner says which revision of a policy is in force. A Checker may be one:
// then answers that were kept under another revision are not given again.
type Versioner interface {
	PolicyVersion(ctx context.Context, policy string) (string, error)
}

// newLookup finds out how the request may use the cache, and what it asks.
func (r *request) newLookup(ctx context.Context, give func(context.Context, *request, *cache.Entry) error, ask []stage) *lookup {
	l := &lookup{r: r, give: give, ask: ask}
	config := r.decision.Entry.Cache
	r.cache = observe.CacheBypass
	l.uses = r.usesOf(config)
	if !l.uses.read && !l.uses.write || !r.cacheable(config) {
		return l
	}
	owner := ownerOf(r.principal, config.Scope)
	version, err := r.policyVersion(ctx)
	if owner == "" || err != nil {
		return l
	}
	l.question, _ = cache.NewQuestion(r.material(config, owner, version))
	return l
}

// usesOf is what the route and the caller want of the cache.
func (r *request) usesOf(c *route.Cache) uses {
	u := uses{
		flights: c.SingleFlight, wait: c.Wait.Std(), ttl: c.TTL.Std(), maxBytes: int(c.MaxBytes.Int64()),
		paced: c.Replay == route.ReplayPaced, terms: cache.Terms{Tools: c.Tools, Truncated: c.Truncated}, began: time.Now(),
	}
	control := r.options.GetCache()
	switch control.GetMode() {
	case routerv1.CacheControl_MODE_ON:
		u.read, u.write = true, true
	case routerv1.CacheControl_MODE_REFRESH:
		u.write = true
	case routerv1.CacheControl_MODE_NO_STORE:
		u.read = true
	case routerv1.CacheControl_MODE_UNSPECIFIED:
		u.read = c.Mode == route.CacheOn
		u.write = u.read
	}
	if ttl := control.GetTtl().AsDuration(); ttl > 0 {
		u.ttl = min(u.ttl, ttl)
	}
	return u
}

// cacheable says whether an answer to the request can be given again at all.
func (r *request) cacheable(c *route.Cache) bool {
	if r.native != nil && !onlyHints(r.native.Dialect(), r.native.Unexpressed()) {
		return false
	}
	if c.AnyTemperature {
		return true
	}
	sampling := r.decision.Parameters(r.conversation.GetSampling())
	return sampling != nil && sampling.Temperature != nil && sampling.GetTemperature() == 0
}

// maxHints is how many members a client may send that we do not know. Formats
// list a bounded number: a longer list may be cut.
const maxHints = 16

// onlyHints says whether what the canonical form does not carry leaves the
// answer as it is. Anything else may change it, or ask for what is not kept.
func onlyHints(dialect string, paths []string) bool {
	if len(paths) > maxHints {
		return false
	}
	for _, path := range paths {
		if !capability.HintPath(dialect, path) || strings.HasPrefix(path, "include") {
			return false
		}
	}
	return true
}

// ownerOf names with whom an answer is shared within the organisation: the
// scope, or the next narrower one that the caller has. Empty means nobody.
func ownerOf(p *auth.Principal, scope string) string {
	narrower := []struct{ scope, id string }{
		{route.ScopeOrganization, p.Organization}, {route.ScopeTeam, p.Team}, {route.ScopeUser, p.User}, {route.ScopeKey, p.Key},
	}
	from := slices.IndexFunc(narrower, func(one struct{ scope, id string }) bool { return one.scope == scope })
	for _, one := range narrower[max(from, 0):] {
		if one.id != "" {
			return one.scope + "/" + one.id
		}
	}
	if scope == route.ScopeKey && p.User != "" { // signed in without a key
		return route.ScopeUser + "/" + p.User
	}
	return ""
}

func (r *request) policyVersion(ctx context.Context) (string, error) {
	versioner, ok := r.pipeline.peers.Checker.(Versioner)
	if !ok {
		return "", nil
	}
	return versioner.PolicyVersion(ctx, r.decision.Entry.Policy)
}

// material is everything that the answer may depend on.
func (r *request) material(c *route.Cache, owner, version string) cache.Material {
	entry := r.decision.Entry
	m := cache.Material{
		Tenant: r.principal.Organization, Owner: owner, Route: entry.Model,
		Policy: entry.Policy, PolicyVersion: version,
		Demands: []string{
			r.options.GetResidency(), r.options.GetCompliance(), r.principal.Residency, r.principal.Compliance,
			r.options.GetTask(), r.options.GetUserLocation(),
		},
		Rules:        r.decision.Rules(),
		Targets:      make([]cache.Target, 0, len(r.decision.Order)),
		Context:      r.enrichment.text,
		Conversation: less(r.conversation, c),
		Defaults:     r.decision.Parameters(r.conversation.GetSampling()),
	}
	for candidate := range r.decision.Eligible() { // an outage must not hide what is kept
		m.Targets = append(m.Targets, cache.Target{
			Name: candidate.Target.Name, Model: candidate.Model, Instructions: entry.Instructions.For(candidate.Target.Provider),
		})
	}
	if featured, ok := r.native.(interface{ Betas() []string }); ok && len(featured.Betas()) > 0 {
		m.Features = append([]string{r.native.Dialect()}, featured.Betas()...)
	}
	return m
}

// less leaves out what the route lets requests differ in.
func less(c *llmv1.Conversation, config *route.Cache) *llmv1.Conversation {
	labels, endUser := config.Ignores(route.IgnoreLabels), config.Ignores(route.IgnoreEndUser)
	if (!labels || len(c.GetMetadata()) == 0) && (!endUser || c.GetEndUser() == "") {
		return c
	}
	out := conversation.Shallow(c)
	if labels {
		out.Metadata = nil
	}
	if endUser {
		out.EndUser = ""
	}
	return out
}

// since is what guardrails found after the first look, which had the counts.
func since(notices []*llmv1.GuardrailNotice, counts []int32) []*llmv1.GuardrailNotice {
	var out []*llmv1.GuardrailNotice
	for i, n := range notices {
		more := n.GetCount()
		if i < len(counts) {
			more -= counts[i]
		}
		if more > 0 {
			n = proto.Clone(n).(*llmv1.GuardrailNotice)
			n.Count = more
			out = append(out, n)
		}
	}
	return out
}

// paced says whether a kept answer is streamed at the pace of the first.
func (r *request) paced() bool { return r.decision.Entry.Cache.Replay == route.ReplayPaced }

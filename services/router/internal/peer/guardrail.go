package peer

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
)

// policyTTL is how long a policy's directions are believed. A rule that is
// added takes effect in the router within this time at the latest.
const policyTTL = 5 * time.Second

// maxPolicies bounds how many are remembered.
const maxPolicies = 4096

// Guardrail reaches the guardrail service.
type Guardrail struct {
	client  guardrailv1.GuardrailServiceClient
	timeout time.Duration

	mu       sync.RWMutex
	policies map[policyKey]directions
}

// policyKey: policies of the same name differ between organisations.
type policyKey struct{ organization, policy string }

type directions struct {
	input, output bool
	version       string
	until         time.Time
}

// NewGuardrail makes a client that waits at most timeout for an answer.
func NewGuardrail(conn grpc.ClientConnInterface, timeout time.Duration) *Guardrail {
	return &Guardrail{
		client: guardrailv1.NewGuardrailServiceClient(conn), timeout: timeout,
		policies: make(map[policyKey]directions),
	}
}

// Check evaluates texts.
func (g *Guardrail) Check(ctx context.Context, r *guardrailv1.CheckRequest) (*guardrailv1.CheckResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	return g.client.Check(ctx, r)
}

// HasRules says whether a policy has rules for a direction. If the policy does
// not exist it says so with NOT_FOUND.
func (g *Guardrail) HasRules(ctx context.Context, policy string, d guardrailv1.Direction) (bool, error) {
	known, err := g.directions(ctx, policy)
	if err != nil {
		return false, err
	}
	if d == guardrailv1.Direction_DIRECTION_OUTPUT {
		return known.output, nil
	}
	return known.input, nil
}

// PolicyVersion says which revision of a policy is in force, or was policyTTL ago.
func (g *Guardrail) PolicyVersion(ctx context.Context, policy string) (string, error) {
	known, err := g.directions(ctx, policy)
	return known.version, err
}

func (g *Guardrail) directions(ctx context.Context, policy string) (directions, error) {
	if policy == "" {
		policy = "policies/default"
	}
	key := policyKey{policy: policy}
	if p, ok := auth.FromContext(ctx); ok {
		key.organization = p.Organization
	}
	now := time.Now()
	g.mu.RLock()
	known, ok := g.policies[key]
	g.mu.RUnlock()
	if ok && now.Before(known.until) {
		return known, nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	response, err := g.client.GetPolicy(ctx, &guardrailv1.GetPolicyRequest{Name: policy})
	if err != nil {
		return directions{}, err
	}
	known = directions{until: now.Add(policyTTL), version: response.GetPolicy().GetVersion()}
	for _, rule := range response.GetPolicy().GetRules() {
		known.input = known.input || holdsOn(rule, guardrailv1.Direction_DIRECTION_INPUT)
		known.output = known.output || holdsOn(rule, guardrailv1.Direction_DIRECTION_OUTPUT)
	}
	g.mu.Lock()
	if len(g.policies) >= maxPolicies {
		clear(g.policies)
	}
	g.policies[key] = known
	g.mu.Unlock()
	return known, nil
}

// holdsOn reads a rule without directions as one for both: rather one check too many.
func holdsOn(r *guardrailv1.Rule, d guardrailv1.Direction) bool {
	return len(r.GetDirections()) == 0 || slices.Contains(r.GetDirections(), d)
}

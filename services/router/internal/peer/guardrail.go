package peer

import (
	"context"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
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
	known = directions{until: now.Add(policyTTL)}
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

// Scan opens a check of an answer that is being written; it ends with ctx.
func (g *Guardrail) Scan(ctx context.Context, policy string) (pipeline.Scan, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := g.client.CheckStream(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	open := &guardrailv1.CheckStreamRequest{Step: &guardrailv1.CheckStreamRequest_Open_{
		Open: &guardrailv1.CheckStreamRequest_Open{Policy: policy, Direction: guardrailv1.Direction_DIRECTION_OUTPUT},
	}}
	scan := &scan{stream: s, cancel: cancel, timeout: g.timeout}
	scan.request.Step = &scan.step
	scan.step.Delta = &scan.delta
	scan.timer = time.AfterFunc(g.timeout, cancel)
	if _, err := scan.exchange(open); err != nil {
		scan.Close()
		return nil, err
	}
	return scan, nil
}

// scan sends one delta at a time and waits for its answer. It keeps its request
// and uses it again: a message has left once Send returns.
type scan struct {
	stream  grpc.BidiStreamingClient[guardrailv1.CheckStreamRequest, guardrailv1.CheckStreamResponse]
	cancel  context.CancelFunc
	timer   *time.Timer
	timeout time.Duration
	request guardrailv1.CheckStreamRequest
	step    guardrailv1.CheckStreamRequest_Delta_
	delta   guardrailv1.CheckStreamRequest_Delta
}

// Delta sends one piece and returns what may pass.
func (s *scan) Delta(d pipeline.Delta) (*guardrailv1.CheckStreamResponse, error) {
	s.delta.CandidateIndex, s.delta.PartIndex = d.Candidate, d.Part
	s.delta.Kind, s.delta.Text, s.delta.Last = d.Kind, d.Text, d.Last
	return s.exchange(&s.request)
}

func (s *scan) exchange(r *guardrailv1.CheckStreamRequest) (*guardrailv1.CheckStreamResponse, error) {
	s.timer.Reset(s.timeout)
	defer s.timer.Stop()
	if err := s.stream.Send(r); err != nil {
		// The reason stands in the stream's end.
		if _, end := s.stream.Recv(); end != nil {
			return nil, s.failure(end)
		}
		return nil, s.failure(err)
	}
	response, err := s.stream.Recv()
	if err != nil {
		return nil, s.failure(err)
	}
	return response, nil
}

// failure keeps a time-out of ours from looking like a cancellation by the caller.
func (s *scan) failure(err error) error {
	if e := errs.From(err); e.Reason == llmv1.ErrorReason_ERROR_REASON_CANCELLED {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "").WithCause(err)
	}
	return err
}

// Close ends the scan.
func (s *scan) Close() {
	s.timer.Stop()
	s.cancel()
}

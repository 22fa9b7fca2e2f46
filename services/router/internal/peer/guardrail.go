package peer

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
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
	s, err := g.client.CheckStream(ctx, inproc.TakingTurns())
	if err != nil {
		cancel()
		return nil, err
	}
	open := &guardrailv1.CheckStreamRequest{Step: &guardrailv1.CheckStreamRequest_Open_{
		Open: &guardrailv1.CheckStreamRequest_Open{Policy: policy, Direction: guardrailv1.Direction_DIRECTION_OUTPUT},
	}}
	scan := &scan{stream: s, cancel: cancel, timeout: g.timeout, began: time.Now()}
	scan.request.Step = &scan.step
	scan.step.Delta = &scan.delta
	scan.asked.Store(idle)
	scan.timer = time.AfterFunc(time.Hour, scan.look)
	scan.timer.Reset(g.timeout)
	if _, err := scan.exchange(open); err != nil {
		scan.Close()
		return nil, err
	}
	return scan, nil
}

// scan sends one delta at a time and waits for its answer. It keeps its messages
// and uses them again: one has left once Send returns, and an answer is valid
// until the next. A delta only notes when it was sent; the timer, when it fires,
// looks whether that is too long ago, or sets itself anew.
type scan struct {
	stream  grpc.BidiStreamingClient[guardrailv1.CheckStreamRequest, guardrailv1.CheckStreamResponse]
	cancel  context.CancelFunc
	timer   *time.Timer
	timeout time.Duration
	began   time.Time
	asked   atomic.Int64 // nanoseconds since began at which an answer was asked for, or idle
	request guardrailv1.CheckStreamRequest
	step    guardrailv1.CheckStreamRequest_Delta_
	delta   guardrailv1.CheckStreamRequest_Delta
	answer  guardrailv1.CheckStreamResponse
}

const idle = -1

// look ends a scan whose answer is overdue.
func (s *scan) look() {
	if s.stream.Context().Err() != nil {
		return
	}
	left := s.timeout
	if asked := s.asked.Load(); asked != idle {
		left -= time.Since(s.began) - time.Duration(asked)
	}
	if left <= 0 {
		s.cancel()
		return
	}
	s.timer.Reset(left)
}

// Delta sends one piece and returns what may pass.
func (s *scan) Delta(d pipeline.Delta) (*guardrailv1.CheckStreamResponse, error) {
	s.delta.CandidateIndex, s.delta.PartIndex = d.Candidate, d.Part
	s.delta.Kind, s.delta.Text, s.delta.Last = d.Kind, d.Text, d.Last
	return s.exchange(&s.request)
}

func (s *scan) exchange(r *guardrailv1.CheckStreamRequest) (*guardrailv1.CheckStreamResponse, error) {
	s.asked.Store(int64(time.Since(s.began)))
	defer s.asked.Store(idle)
	if err := s.stream.Send(r); err != nil {
		// The reason stands in the stream's end.
		if _, end := s.stream.Recv(); end != nil {
			return nil, s.failure(end)
		}
		return nil, s.failure(err)
	}
	if err := s.stream.RecvMsg(&s.answer); err != nil {
		return nil, s.failure(err)
	}
	return &s.answer, nil
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

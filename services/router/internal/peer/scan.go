package peer

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

// Scan opens a check of an answer that is being written; it ends with ctx.
func (g *Guardrail) Scan(ctx context.Context, policy string) (pipeline.Scan, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := g.client.CheckStream(ctx, inproc.TakingTurns(copyStep))
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

// copyStep copies what goes to and fro for each chunk within one process: a
// delta, and an answer without findings.
func copyStep(dst, src any) bool {
	switch from := src.(type) {
	case *guardrailv1.CheckStreamRequest:
		to, ok := dst.(*guardrailv1.CheckStreamRequest)
		d := from.GetDelta()
		if !ok || d == nil {
			return false
		}
		step, ok := to.Step.(*guardrailv1.CheckStreamRequest_Delta_)
		if !ok || step.Delta == nil {
			step = &guardrailv1.CheckStreamRequest_Delta_{Delta: &guardrailv1.CheckStreamRequest_Delta{}}
			to.Step = step
		}
		step.Delta.CandidateIndex, step.Delta.PartIndex = d.CandidateIndex, d.PartIndex
		step.Delta.Kind, step.Delta.Text, step.Delta.Last = d.Kind, d.Text, d.Last
		return true
	case *guardrailv1.CheckStreamResponse:
		to, ok := dst.(*guardrailv1.CheckStreamResponse)
		if !ok || len(from.Findings) > 0 {
			return false
		}
		to.Released, to.HeldBytes, to.Verdict, to.Findings = from.Released, from.HeldBytes, from.Verdict, nil
		return true
	default:
		return false
	}
}

package server

import (
	"errors"
	"io"

	"go.opentelemetry.io/otel/attribute"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
	"github.com/tollgate/tollgate/services/guardrail/internal/stream"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

type checkStream = guardrailv1.GuardrailService_CheckStreamServer

// CheckStream implements GuardrailService.
func (s *Server) CheckStream(conn checkStream) (err error) {
	ctx := conn.Context()
	if _, err := caller(ctx); err != nil {
		return err
	}
	first, err := conn.Recv()
	if err != nil {
		return endOfStream(err)
	}
	open := first.GetOpen()
	if open == nil {
		return invalid("step", "the first message must open the stream")
	}
	pol, err := s.policy(open.GetPolicy())
	if err != nil {
		return err
	}
	dir, err := direction(open.GetDirection())
	if err != nil {
		return err
	}
	name := policyPrefix + pol.Policy.Name
	ctx, span := telemetry.Start(ctx, "guardrail.check", attribute.String("tollgate.guardrail.policy", name),
		attribute.String("tollgate.guardrail.direction", dir.String()), attribute.Bool("tollgate.guardrail.stream", true))
	run := &streamRun{conn: conn, policy: pol, session: stream.New(s.engine, pol, dir)}
	defer func() {
		s.meter.note(ctx, span, outcome{policy: name, direction: dir, verdict: run.verdict, counts: run.counts})
		telemetry.End(span, err)
	}()
	return run.serve()
}

// Bounds of a delta, as in its contract.
const (
	maxCandidate = 127
	maxPart      = 4095
	maxDelta     = 1 << 20
)

// PlainlyValid says of a delta that it keeps the rules of its contract.
func (s *Server) PlainlyValid(msg any) bool {
	m, ok := msg.(*guardrailv1.CheckStreamRequest)
	if !ok {
		return false
	}
	d := m.GetDelta()
	return d != nil && d.CandidateIndex >= 0 && d.CandidateIndex <= maxCandidate &&
		d.PartIndex >= 0 && d.PartIndex <= maxPart && len(d.Text) <= maxDelta &&
		guardrailv1.ContentKind_name[int32(d.Kind)] != ""
}

// streamRun is one open stream. It uses its messages again: a request is done
// with once it is answered, an answer has left once Send returns.
type streamRun struct {
	conn    checkStream
	request guardrailv1.CheckStreamRequest
	answer  guardrailv1.CheckStreamResponse
	policy  *policy.Compiled
	session *stream.Session
	verdict engine.Outcome
	counts  map[string]int
}

func (r *streamRun) serve() error {
	if err := r.conn.Send(&guardrailv1.CheckStreamResponse{Verdict: guardrailv1.Verdict_VERDICT_ALLOWED}); err != nil {
		return err
	}
	for {
		if err := r.conn.RecvMsg(&r.request); err != nil {
			return endOfStream(err)
		}
		delta := r.request.GetDelta()
		if delta == nil {
			return invalid("step", "the stream is open already")
		}
		if err := r.step(delta); err != nil {
			return err
		}
		if err := r.conn.Send(&r.answer); err != nil {
			return err
		}
	}
}

// step checks a delta and fills the answer.
func (r *streamRun) step(d *guardrailv1.CheckStreamRequest_Delta) error {
	res, err := r.session.Push(stream.Piece{
		Candidate: int(d.GetCandidateIndex()), Part: int(d.GetPartIndex()), Kind: kind(d.GetKind()), Text: d.GetText(), Last: d.GetLast(),
	})
	if err != nil {
		return invalid("delta", "%s", err.Error())
	}
	r.verdict = res.Outcome
	r.answer.Released, r.answer.HeldBytes = res.Released, int32(res.Held)
	r.answer.Verdict, r.answer.Findings = verdict(res.Outcome), findings(res.Findings)
	if res.Unscanned {
		r.answer.Findings = append(r.answer.Findings, unscanned(r.policy, int(d.GetPartIndex()), len(d.GetText())))
	}
	r.counts = count(r.counts, r.answer.GetFindings())
	return nil
}

func endOfStream(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func invalid(field, format string, args ...any) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, format, args...).WithField(field)
}

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

// streamRun is one open stream.
type streamRun struct {
	conn    checkStream
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
		msg, err := r.conn.Recv()
		if err != nil {
			return endOfStream(err)
		}
		delta := msg.GetDelta()
		if delta == nil {
			return invalid("step", "the stream is open already")
		}
		resp, err := r.step(delta)
		if err != nil {
			return err
		}
		if err := r.conn.Send(resp); err != nil {
			return err
		}
	}
}

func (r *streamRun) step(d *guardrailv1.CheckStreamRequest_Delta) (*guardrailv1.CheckStreamResponse, error) {
	res, err := r.session.Push(stream.Piece{
		Candidate: int(d.GetCandidateIndex()), Part: int(d.GetPartIndex()), Kind: kind(d.GetKind()), Text: d.GetText(), Last: d.GetLast(),
	})
	if err != nil {
		return nil, invalid("delta", "%s", err.Error())
	}
	r.verdict = res.Outcome
	resp := &guardrailv1.CheckStreamResponse{
		Released: res.Released, HeldBytes: int32(res.Held), Verdict: verdict(res.Outcome), Findings: findings(res.Findings),
	}
	if res.Unscanned {
		resp.Findings = append(resp.Findings, unscanned(r.policy, int(d.GetPartIndex()), len(d.GetText())))
	}
	r.counts = count(r.counts, resp.GetFindings())
	return resp, nil
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

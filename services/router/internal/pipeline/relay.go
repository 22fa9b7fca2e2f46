package pipeline

import (
	"context"
	"errors"
	"io"
	"time"

	"go.opentelemetry.io/otel/trace"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// relay passes the answer on, chunk by chunk, through the output guard if the
// policy has one.
func relay(ctx context.Context, r *request) (err error) {
	on, err := r.guards(ctx, guardrailv1.Direction_DIRECTION_OUTPUT)
	if err != nil {
		return err
	}
	if !on || r.pipeline.peers.Scanner == nil {
		return r.copyThrough()
	}
	ctx, span := telemetry.Start(ctx, "router.guard_output")
	defer func() { telemetry.End(span, err) }()
	g, err := r.guard(ctx, span)
	switch {
	case err != nil:
		return err
	case g == nil:
		return r.copyThrough()
	}
	defer g.scan.Close()
	return r.copyGuarded(ctx, g)
}

// guard begins a scan; nil if that fails and the policy is to go without. Once
// it has begun there is no going without: text that it holds back would be lost.
func (r *request) guard(ctx context.Context, span trace.Span) (*guard, error) {
	scan, err := r.pipeline.peers.Scanner.Scan(ctx, r.decision.Entry.Policy)
	switch {
	case err == nil:
		return &guard{scan: scan, r: r}, nil
	case unavailable(ctx, err) && r.pipeline.options.GuardrailOpen:
		r.note(ctx, span, "answer passed unchecked: guardrail is unavailable", err)
		return nil, nil
	default:
		return nil, guardrailError(ctx, err)
	}
}

func (r *request) copyThrough() error {
	for {
		chunk, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := r.deliver(chunk); err != nil {
			return err
		}
	}
}

func (r *request) copyGuarded(ctx context.Context, g *guard) error {
	for {
		chunk, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		passed, err := g.chunk(chunk)
		if err != nil {
			return scanError(ctx, err)
		}
		if passed != chunk && len(passed.Events) == 0 {
			continue // all of it is held back
		}
		if err := r.deliver(passed); err != nil {
			return err
		}
	}
	rest, err := g.rest()
	if err != nil {
		return scanError(ctx, err)
	}
	if rest == nil {
		return nil
	}
	return r.deliver(rest)
}

// next is the next chunk of the answer. Another attempt may have gone on with it.
func (r *request) next() (*stream.Chunk, error) {
	chunk, err := r.stream.Next()
	r.attempt = r.stream.Attempt
	return chunk, err
}

// scanError keeps a verdict as it is; anything else is the guardrail's failure.
func scanError(ctx context.Context, err error) error {
	if errs.Is(err, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED) {
		return err
	}
	return guardrailError(ctx, err)
}

// deliver hands a chunk to the sink. What comes before the first content waits
// for it: until then an error can still be answered as one.
func (r *request) deliver(c *stream.Chunk) error {
	if !r.opened {
		r.name(c)
	}
	r.collect(c)
	switch {
	case r.gone != nil: // the others go on
		return nil
	case !r.opened && !c.Opens():
		r.pending = append(r.pending, c.Clone())
		return nil
	}
	return r.outlive(r.write(c))
}

func (r *request) write(c *stream.Chunk) error {
	if !r.opened {
		if err := r.openSink(); err != nil {
			return err
		}
	}
	return clientGone(r.sink.WriteChunk(c))
}

// collect takes note of what the client is told, for the cache and for those who
// follow. What passed unchecked nobody else gets.
func (r *request) collect(c *stream.Chunk) {
	switch {
	case r.flight != nil:
		if r.lax {
			r.flight.Close()
		}
		r.flight.Add(c, time.Now())
	case r.collector != nil:
		r.collector.Add(c, time.Now())
	}
}

// outlive deals with a client that is gone: if others follow its answer the
// request goes on for them.
func (r *request) outlive(err error) error {
	if err == nil || r.flight == nil || !r.flight.Leave() {
		return err
	}
	r.gone, r.pending = err, nil
	return nil
}

// name gives an answer an id whose provider gives it none; clients look for it.
func (r *request) name(c *stream.Chunk) {
	for i := range c.Events {
		if e := &c.Events[i]; e.Kind == stream.Start && e.ID == "" {
			e.ID = r.id
		}
	}
}

func (r *request) openSink() error {
	r.opened = true
	r.sink.Open(r.newReport())
	for _, c := range r.pending {
		if err := clientGone(r.sink.WriteChunk(c)); err != nil {
			return err
		}
	}
	r.pending = nil
	return nil
}

func clientGone(err error) error {
	if err == nil {
		return nil
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_CANCELLED, "").WithCause(err)
}

// interrupt tells an open sink that the stream failed.
func (r *request) interrupt(err error) error {
	e := errs.From(err)
	if !r.opened || e.Reason == llmv1.ErrorReason_ERROR_REASON_CANCELLED {
		return e
	}
	_ = r.sink.WriteChunk(&stream.Chunk{Events: []stream.Event{{
		Kind: stream.Error, Failure: &llmv1.StreamError{Reason: e.Reason, Message: e.Message},
	}}})
	return e
}

// finish ends the sink well.
func (r *request) finish() error {
	if !r.opened {
		if err := r.openSink(); err != nil {
			return err
		}
	}
	return clientGone(r.sink.Finish(r.report))
}

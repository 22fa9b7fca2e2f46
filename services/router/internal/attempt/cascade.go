package attempt

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// judges says whether a candidate's answer is judged: not that of the last, and
// not once the client has got some of another.
func (h *hunt) judges(t turn) bool {
	return h.job.Judge != nil && h.op.name != opEmbed && h.role != RoleRecovery && h.others(t)
}

// passes says whether an answer is good enough. One that is not has been used
// all the same: it is settled as what it is, and kept, for the others may fail.
func (h *hunt) passes(a *Attempt) bool {
	if !h.judges(a.turn) {
		return true
	}
	completion := a.completion()
	if completion == nil {
		return true // too long to be judged
	}
	why := h.job.Judge(completion)
	if why == "" {
		return true
	}
	trace.SpanFromContext(h.ctx).AddEvent("answer not good enough", trace.WithAttributes(
		attribute.String("tollgate.target", a.Candidate.Target.Name), attribute.String("tollgate.cascade", why)))
	h.drop(a.turn)
	a.End(End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED})
	h.spare, h.role = a, RoleEscalation
	return false
}

// spared says whether there is an answer to fall back on.
func (h *hunt) spared() bool { return h.spare != nil && h.ctx.Err() == nil }

// completion is the whole answer; nil if it is not there as a whole.
func (a *Attempt) completion() *llmv1.Completion {
	switch {
	case a.Answer != nil:
		return a.Answer.Completion
	case a.source == nil || a.source.whole == nil:
		return nil
	}
	return a.source.whole
}

// collect reads a stream to its end, if it is to be judged, and keeps it to be
// read again. A longer one than may be held back is not judged, and goes on
// from where it is.
func (s *source) collect() error {
	if s.judged == 0 {
		return nil
	}
	kept := s.held
	if s.first != nil {
		kept = append(kept, s.first.Clone())
		s.first = nil
	}
	collector, size := cache.NewCollector(s.judged, false), 0
	for _, c := range kept {
		collector.Add(c, s.StartTime)
	}
	s.held = nil
	for !s.atEnd && size < s.judged {
		chunk, err := s.next()
		if ended(err) {
			s.atEnd = true
			break
		}
		if err != nil {
			return err
		}
		size += weight(chunk)
		collector.Add(chunk, time.Time{})
		kept = append(kept, chunk.Clone())
	}
	if s.held = kept; s.atEnd {
		s.whole = collector.Completion()
	}
	return nil
}

// weight is about what a chunk takes.
func weight(c *stream.Chunk) int {
	n := len(c.Native)
	for i := range c.Events {
		n += len(c.Events[i].Delta)
	}
	return n
}

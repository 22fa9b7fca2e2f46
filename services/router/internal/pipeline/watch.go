package pipeline

import (
	"context"
	"sync"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/drill"
)

// watch sees what becomes of one request, while a drill runs. It stands before
// the request's ledger, which is told of every attempt.
type watch struct {
	attempt.Ledger
	recorder *drill.Recorder

	mu      sync.Mutex // attempts may overlap
	sample  drill.Sample
	written int64 // tokens of the attempt that wrote the most before it failed
	begun   bool  // an attempt failed after its first content
}

// Watch makes requests that begin from now on tell a recorder how they end; nil
// ends that.
func (p *Pipeline) Watch(r *drill.Recorder) { p.recorder.Store(r) }

// watched is nil unless a drill runs.
func (p *Pipeline) watched() *watch {
	recorder := p.recorder.Load()
	if recorder == nil {
		return nil
	}
	return &watch{recorder: recorder, sample: drill.Sample{Began: time.Now()}}
}

// over stands before a ledger.
func (w *watch) over(l attempt.Ledger) attempt.Ledger {
	if w == nil {
		return l
	}
	w.Ledger = l
	return w
}

// Begin implements attempt.Ledger.
func (w *watch) Begin(ctx context.Context, a *attempt.Attempt) error {
	if err := w.Ledger.Begin(ctx, a); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sample.Asked = append(w.sample.Asked, a.Candidate.Target.Name)
	return nil
}

// End implements attempt.Ledger.
func (w *watch) End(ctx context.Context, a *attempt.Attempt, end attempt.End) {
	w.note(a, end)
	w.Ledger.End(ctx, a, end)
}

func (w *watch) note(a *attempt.Attempt, end attempt.End) {
	w.mu.Lock()
	defer w.mu.Unlock()
	content := !a.FirstContent.IsZero()
	if content && (w.sample.First.IsZero() || a.FirstContent.Before(w.sample.First)) {
		w.sample.First = a.FirstContent
	}
	switch end.Outcome {
	case billingv1.Outcome_OUTCOME_SUCCEEDED:
		w.sample.Served = a.Candidate.Target.Name
	case billingv1.Outcome_OUTCOME_FAILED:
		w.sample.Failed++
		w.begun = w.begun || content
		w.written = max(w.written, a.Written.Tokens())
	}
}

// end tells the recorder.
func (w *watch) end(r *request) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.sample
	s.Ended = time.Now()
	if r.decision.Entry != nil {
		s.Route = r.decision.Entry.Targets
	}
	if r.failure != nil {
		s.Reason = r.failure.Reason
	}
	if r.opened && r.failure != nil {
		s.Lost = w.written
	}
	s.Recovered = w.begun && r.failure == nil
	w.recorder.Record(s)
}

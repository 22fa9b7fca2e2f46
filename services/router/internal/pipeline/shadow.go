package pipeline

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/route"
	settling "github.com/tollgate/tollgate/services/router/internal/settle"
)

// shadows are the requests that go to another target as well. They run after
// their callers have their answers, and nothing of them reaches a caller.
type shadows struct {
	mu      sync.Mutex
	running map[string]int // by route
	closed  bool
	work    sync.WaitGroup
	context context.Context
	cancel  context.CancelFunc
}

func newShadows() *shadows {
	s := &shadows{running: make(map[string]int)}
	s.context, s.cancel = context.WithCancel(context.Background())
	return s
}

// run runs f in the background, if the route has a place for it.
func (s *shadows) run(name string, places int, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.running[name] >= places {
		return
	}
	s.running[name]++
	s.work.Go(func() {
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.running[name]--; s.running[name] == 0 {
				delete(s.running, name)
			}
		}()
		f()
	})
}

// Drain waits for requests that run in the background, until ctx ends; then they
// are cancelled. None begins any more. Their records are written when it returns.
func (p *Pipeline) Drain(ctx context.Context) {
	s := p.shadows
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	s.work.Wait()
	s.cancel()
}

// mirror sends the request to the route's shadow, if it was answered by a target
// and it is its turn. Nothing is done here that the caller would wait for.
func (r *request) mirror(ctx context.Context) {
	entry := r.decision.Entry
	if entry == nil || entry.ShadowEntry() == nil || r.report == nil || r.attempt == nil || r.texts != nil {
		return
	}
	if rand.Float64()*100 >= entry.Shadow.Percent {
		return
	}
	ctx = context.WithoutCancel(ctx)
	r.pipeline.shadows.run(entry.Model, entry.Shadow.Concurrency, func() { r.shadow(entry).run(ctx) })
}

// shadow is the same request, as it was guarded and enriched, of the operator's
// own organisation and by the shadow's own rules. It shares with the first what
// nobody changes any more; the caller's labels stay with the caller.
func (r *request) shadow(entry *route.Entry) *shadow {
	said := conversation.Shallow(r.conversation)
	said.Metadata = settling.ShadowLabels()
	s := &shadow{request: &request{
		pipeline: r.pipeline, world: r.world, id: NewRequestID(), principal: &auth.Principal{Organization: entry.Shadow.Organization},
		model: r.model, options: r.options, conversation: said, native: r.native, estimate: r.estimate,
		revisions: r.revisions, enrichment: r.enrichment,
	}, config: entry.Shadow, streamed: r.sink != nil}
	s.scopes = settling.Scopes(s.principal)
	entry.ShadowEntry().Candidates(r.question(), &s.decision)
	return s
}

type shadow struct {
	*request
	config   *route.Shadow
	streamed bool
}

// run asks the target once and reads its answer to the end.
func (s *shadow) run(ctx context.Context) {
	if s.decision.Err() != nil || s.decision.Degraded {
		return // it must not have the request, or is not there
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout.Std())
	defer cancel()
	defer context.AfterFunc(s.pipeline.shadows.context, cancel)()
	ctx, span := telemetry.Start(ctx, "router.shadow")
	err := s.ask(ctx)
	telemetry.End(span, err)
	if err != nil {
		s.pipeline.log.DebugContext(ctx, "shadow", slog.String("route", s.decision.Entry.Model), slog.Any("error", err))
	}
}

func (s *shadow) ask(ctx context.Context) (err error) {
	s.decision.Decide()
	job := s.job()
	job.Hedge, job.Recovery, job.FailoverOn = route.Hedge{}, route.Recovery{}, nil
	var stream *attempt.Stream
	if !s.streamed {
		s.attempt, err = s.pipeline.runner.Generate(ctx, job)
	} else if stream, err = s.pipeline.runner.Open(ctx, job); err == nil {
		s.attempt = stream.Attempt
		err = drain(stream)
	}
	if s.attempt.Ended() {
		return err
	}
	end := attempt.End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED, Last: true}
	if err != nil {
		end.Outcome, end.Err = billingv1.Outcome_OUTCOME_FAILED, errs.From(err)
		if s.pipeline.shadows.context.Err() != nil {
			end.Outcome = billingv1.Outcome_OUTCOME_CANCELLED
		}
	}
	s.attempt.End(end)
	return err
}

// drain reads an answer that nobody wants.
func drain(s *attempt.Stream) error {
	for {
		if _, err := s.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

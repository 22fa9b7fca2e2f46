package pipeline

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	settling "github.com/tollgate/tollgate/services/router/internal/settle"
)

// Cache finds answers to questions that were asked before. Its errors count as
// nothing found: an answer can always be asked for.
type Cache interface {
	// Lookup returns the kept answer; nil if there is none.
	Lookup(context.Context, *cache.Question) (*cache.Kept, error)
	// Store keeps an answer.
	Store(ctx context.Context, q *cache.Question, k *cache.Kept, ttl time.Duration) error
}

// CacheCounter counts what the cache did.
type CacheCounter interface {
	// Count counts a request; saved is nil unless it was answered from the cache.
	Count(ctx context.Context, result string, saved *llmv1.Usage)
}

// cached makes one stage of those that get an answer: they run only if no kept
// answer does. give hands a kept answer out.
func cached(give func(context.Context, *request, *cache.Entry) error, ask ...stage) stage {
	return func(ctx context.Context, r *request) error {
		if r.decision.Entry.Cache == nil || r.pipeline.peers.Cache == nil {
			return r.through(ctx, ask)
		}
		l := r.newLookup(ctx, give, ask)
		err := l.run(ctx)
		if counter := r.pipeline.peers.Counter; counter != nil {
			counter.Count(ctx, r.cache, l.saved)
		}
		return err
	}
}

// lookup is what one request does with the cache.
type lookup struct {
	r        *request
	give     func(context.Context, *request, *cache.Entry) error
	ask      []stage
	question *cache.Question // nil: neither looked up nor kept
	uses     uses
	saved    *llmv1.Usage // what did not have to be used
}

func (l *lookup) run(ctx context.Context) error {
	r := l.r
	switch {
	case l.question == nil:
		return r.through(ctx, l.ask)
	case !l.uses.read:
		_, err := l.fetch(ctx)
		return err
	case !l.uses.write || !l.uses.flights:
		if given, err := l.find(ctx, nil); given || err != nil {
			return err
		}
		_, err := l.fetch(ctx)
		return err
	}
	for range maxTurns {
		flight, leads := r.pipeline.flights.Join(l.question.Key())
		if leads {
			return l.lead(ctx, flight)
		}
		if answered, err := l.join(ctx, flight); answered || err != nil {
			return err
		}
	}
	_, err := l.fetch(ctx)
	return err
}

// find looks the question up, and says whether it gave the answer out. The
// flight lands before, so that nobody waits for this client to read.
func (l *lookup) find(ctx context.Context, flight *cache.Flight) (given bool, err error) {
	kept, entry := l.look(ctx)
	if entry == nil {
		return false, nil
	}
	if flight != nil {
		flight.Land(cache.Landing{Kept: kept, Found: true})
	}
	return true, l.hand(ctx, observe.CacheHit, entry)
}

func (l *lookup) look(ctx context.Context) (*cache.Kept, *cache.Entry) {
	ctx, span := telemetry.Start(ctx, "router.cache")
	defer telemetry.End(span, nil)
	kept, err := l.r.pipeline.peers.Cache.Lookup(ctx, l.question)
	var entry *cache.Entry
	if err == nil && kept != nil {
		entry, err = kept.Entry()
	}
	if err != nil && ctx.Err() == nil {
		span.AddEvent("the cache could not be read")
		l.r.pipeline.log.DebugContext(ctx, "look up answer", slog.String("request_id", l.r.id), slog.Any("error", err))
	}
	if span.IsRecording() {
		span.SetAttributes(attribute.Bool("tollgate.cache.hit", entry != nil))
		if entry != nil {
			span.SetAttributes(attribute.Float64("tollgate.cache.age_seconds", time.Since(entry.Stored).Seconds()),
				attribute.Int("tollgate.cache.bytes", kept.Size()))
		}
	}
	return kept, entry
}

// hand gives a kept answer out, under an id of its own.
func (l *lookup) hand(ctx context.Context, state string, e *cache.Entry) error {
	if err := l.record(ctx, state, e); err != nil {
		return err
	}
	e.Completion.Id, e.Completion.CreateTime = l.r.id, timestamppb.New(time.Now())
	return l.give(ctx, l.r, e)
}

// record writes the record of an answer for which nobody was asked, which gives
// the hold back.
func (l *lookup) record(ctx context.Context, state string, e *cache.Entry) error {
	r := l.r
	err := settling.RecordCached(ctx, r.pipeline.peers.Recorder, r.accounts(), settling.Cached{
		Model: e.Model, Used: e.Used, StartTime: l.uses.began, Duration: time.Since(l.uses.began), Streamed: r.sink != nil,
	})
	if err != nil {
		return err
	}
	r.hold, r.cache, l.saved = "", state, e.Used
	for _, n := range e.Notices {
		r.addNotices(n.GetPolicy(), n.GetCheck(), n.GetAction(), n.GetCount())
	}
	return nil
}

// fetch asks a target, and keeps its answer if it may be kept.
func (l *lookup) fetch(ctx context.Context) (cache.Landing, error) {
	r := l.r
	r.cache = observe.CacheMiss
	if !l.uses.write {
		return cache.Landing{}, r.through(ctx, l.ask)
	}
	counts := make([]int32, len(r.notices))
	for i, n := range r.notices {
		counts[i] = n.GetCount()
	}
	if r.sink != nil && r.flight == nil {
		r.collector = l.newCollector()
	}
	if err := r.through(ctx, l.ask); err != nil {
		return cache.Landing{Again: true, Err: err}, err
	}
	e := l.entry(since(r.notices, counts))
	kept := l.keep(e)
	if kept != nil {
		l.store(ctx, kept)
	}
	return cache.Landing{Kept: kept, Entry: e}, nil
}

func (l *lookup) newCollector() *cache.Collector {
	return cache.NewCollector(l.uses.maxBytes, l.uses.paced)
}

func (l *lookup) store(ctx context.Context, kept *cache.Kept) {
	ctx, span := telemetry.Start(ctx, "router.cache_store")
	defer telemetry.End(span, nil)
	span.SetAttributes(attribute.Int("tollgate.cache.bytes", kept.Size()))
	if err := l.r.pipeline.peers.Cache.Store(ctx, l.question, kept, l.uses.ttl); err != nil {
		span.AddEvent("the answer could not be kept")
		l.r.pipeline.log.DebugContext(ctx, "keep answer", slog.String("request_id", l.r.id), slog.Any("error", err))
	}
}

// entry is what is known of the answer.
func (l *lookup) entry(notices []*llmv1.GuardrailNotice) *cache.Entry {
	r := l.r
	e := &cache.Entry{
		Completion: r.completion(), Model: settling.Priced(&r.attempt.Candidate), Target: r.attempt.Candidate.Target.Name,
		Used: &llmv1.Usage{}, Notices: notices, Stored: time.Now(),
	}
	if reported := e.Completion.GetUsage(); reported != nil {
		e.Used = reported
	} else if spent := r.ledger.Spent(); len(spent) > 0 {
		e.Used = spent[len(spent)-1].Usage
	}
	return e
}

// keep writes the answer down; nil if it is not to be kept.
func (l *lookup) keep(e *cache.Entry) *cache.Kept {
	if e.Completion == nil || l.r.lax || !l.uses.terms.Keep(e.Completion) {
		return nil
	}
	if l.r.collector != nil {
		e.Beats = l.r.collector.Beats()
	}
	kept, err := cache.Keep(l.question, e)
	if err != nil || kept.Size() > l.uses.maxBytes {
		return nil
	}
	return kept
}

// completion is the answer as the client was allowed to see it; nil if it is
// not whole.
func (r *request) completion() *llmv1.Completion {
	if r.sink == nil {
		return r.attempt.Answer.Completion
	}
	return r.collector.Completion()
}

// giveWhole hands a kept answer out as a whole.
func giveWhole(_ context.Context, r *request, e *cache.Entry) error {
	r.answer = &provider.Answer{Completion: e.Completion}
	return nil
}

// giveStream hands a kept answer out as a stream, at once or at its pace.
func giveStream(ctx context.Context, r *request, e *cache.Entry) error {
	replay := cache.Burst(e.Completion)
	if r.paced() {
		replay = cache.Paced(e.Completion, e.Beats)
	}
	for {
		chunk, wait := replay.Next()
		if chunk == nil {
			return nil
		}
		if !pause(ctx, wait) {
			return ctx.Err()
		}
		if err := r.deliver(chunk); err != nil {
			return err
		}
	}
}

// pause waits, unless the request ends first.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

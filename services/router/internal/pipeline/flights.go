package pipeline

import (
	"context"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/observe"
)

// maxTurns is how many requests in a row may fail for those that wait for them;
// then each asks on its own rather than one after the other.
const maxTurns = 3

// lead asks for those that wait as well. Whatever ends it, they learn of it: if
// it fails, or its client goes away, one of them takes its place. Those that have
// followed it by then cannot begin anew: for them it goes on without its client,
// and if it fails their answers have failed.
func (l *lookup) lead(ctx context.Context, flight *cache.Flight) error {
	defer flight.Land(cache.Landing{Again: true}) // counts if nothing else has landed it
	if given, err := l.find(ctx, flight); given || err != nil {
		return err
	}
	if l.r.sink != nil {
		var end func()
		ctx, end = l.show(ctx, flight)
		defer end()
	}
	landing, err := l.fetch(ctx)
	flight.Land(landing)
	if err == nil {
		err = l.r.gone
	}
	return err
}

// show lets others follow the stream. What is done for it from now on ends with
// the time of the request, or when neither its client nor anybody else wants it.
func (l *lookup) show(ctx context.Context, flight *cache.Flight) (context.Context, func()) {
	r, own := l.r, ctx
	ctx, cancel := context.WithDeadline(context.WithoutCancel(own), r.deadline)
	r.flight, r.collector = flight, l.newCollector()
	flight.Show(r.collector, l.uses.terms, cancel)
	stop := context.AfterFunc(own, func() { flight.Leave() })
	return ctx, func() {
		stop()
		cancel()
	}
}

// join waits for what another request is answered. It says whether that was the
// answer to this one too: if it failed before a client was told anything, it is not.
func (l *lookup) join(ctx context.Context, flight *cache.Flight) (answered bool, err error) {
	var follower *cache.Follower
	var end cache.Landing
	if l.r.sink != nil {
		follower, end, err = flight.Follow(ctx, l.uses.wait)
	} else {
		end, err = flight.Wait(ctx, l.uses.wait)
	}
	switch {
	case err != nil:
	case follower != nil:
		return true, l.follow(ctx, follower)
	case end.Kept != nil:
		return true, l.share(ctx, end)
	case !end.Again:
		_, err = l.fetch(ctx)
		return true, err
	}
	return false, err
}

// follow passes an answer on while another request has it written.
func (l *lookup) follow(ctx context.Context, follower *cache.Follower) (err error) {
	defer follower.Close()
	ctx, span := telemetry.Start(ctx, "router.cache_follow")
	defer func() { telemetry.End(span, err) }()
	l.r.cache = observe.CacheShared
	for {
		chunk, err := follower.Next(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			return brokenOff(err)
		case chunk == nil:
			return l.record(ctx, observe.CacheShared, follower.Entry())
		}
		if err := l.r.deliver(chunk); err != nil {
			return err
		}
	}
}

// brokenOff is what the failure of an answer means for those who have followed
// it: what its content or another service has caused is theirs too; what concerns
// its own request only is not.
func brokenOff(err error) *errs.Error {
	switch e := errs.From(err); e.Reason {
	case llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED, llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED,
		llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE:
		return e
	default:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "").WithCause(err)
	}
}

// share gives out what another request was waiting for already.
func (l *lookup) share(ctx context.Context, end cache.Landing) error {
	state := observe.CacheShared
	if end.Found {
		state = observe.CacheHit
	}
	entry, err := end.Kept.Entry()
	if err != nil {
		_, err := l.fetch(ctx)
		return err
	}
	return l.hand(ctx, state, entry)
}

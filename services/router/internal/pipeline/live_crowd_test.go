package pipeline

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// An answer that passed unchecked is its own caller's only.
func TestUncheckedIsNotFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t, func(w *world) { w.options.GuardrailOpen, w.scanner.err = true, unreachable() })
		a.peers.Checker, a.peers.Scanner = &checker{output: true}, a.w.scanner
		leader, follower := a.listen(background, "leader", nil), a.listen(background, "follower", nil)
		<-leader.done
		if <-follower.done; follower.opened.GetCache() != "miss" || follower.text != fourWords || a.teller.asked != 2 {
			t.Errorf("%v, %q, asked %d times", follower.opened, follower.text, a.teller.asked)
		}
		a.left()
	})
}

// The time to wait ends with the first word: who hears it stays to the end.
func TestWaitingIsForTheFirstWord(t *testing.T) {
	for wait, asked := range map[time.Duration]int{2500 * time.Millisecond: 1, 1500 * time.Millisecond: 2} {
		synctest.Test(t, func(t *testing.T) {
			a := newAudience(t, func(w *world) { w.route.Cache.Wait = config.Duration(wait) })
			leader, follower := a.listen(background, "leader", nil), a.listen(background, "follower", nil)
			<-leader.done
			if <-follower.done; follower.text != fourWords || a.teller.asked != asked {
				t.Errorf("wait %v: heard %q, asked %d times", wait, follower.text, a.teller.asked)
			}
			a.left()
		})
	}
}

// The time that a request may take ends the leader's, and for those who follow
// it the answer breaks off.
func TestTheLeadersTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t, func(w *world) { w.options.RequestTimeout = 4500 * time.Millisecond })
		leader := a.listen(background, "leader", nil)
		time.Sleep(time.Second)
		follower := a.listen(background, "follower", nil)
		<-leader.done
		<-follower.done
		if !errs.Is(leader.err, llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED) || leader.took != 4500*time.Millisecond {
			t.Errorf("leader: %v after %v", leader.err, leader.took)
		}
		if follower.failure.GetReason() != llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED || follower.text != leader.text || follower.took != 3500*time.Millisecond {
			t.Errorf("heard %q, %v after %v", follower.text, follower.failure, follower.took)
		}
		a.left()
	})
}

// A leader's own, shorter time is its own matter.
func TestTheLeadersDeadlineIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t)
		ctx, cancel := context.WithTimeout(background, 2500*time.Millisecond)
		defer cancel()
		leader := a.listen(ctx, "leader", func(l *listener) { l.goneAt = 3 })
		follower := a.listen(background, "follower", nil)
		a.shared("follower", follower, fourWords)
		if <-leader.done; !errs.Is(leader.err, llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED) {
			t.Errorf("leader: %v", leader.err)
		}
		a.left()
	})
}

// A bug ends the leader's request only, and nobody waits for ever.
func TestTheLeaderPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t)
		go func() {
			defer func() { _ = recover() }()
			call := a.w.call("hello")
			call.RequestID = "leader"
			_ = a.Stream(background, call, &bomb{client{t: t, recorder: a.w.recorder}})
		}()
		synctest.Wait()
		follower := a.listen(background, "follower", nil)
		if <-follower.done; follower.failure.GetReason() != llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED || follower.text != "one two " {
			t.Errorf("heard %q, in band %v", follower.text, follower.failure)
		}
		a.left()
	})
}

// bomb is a client whose encoder has a bug.
type bomb struct{ client }

func (b *bomb) WriteChunk(c *stream.Chunk) error {
	if err := b.client.WriteChunk(c); err != nil || b.text != "one two " {
		return err
	}
	panic("a bug")
}

// A full spool refuses the record, and then the answer does not end well.
func TestFollowersAreNotServedUnmetered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t)
		leader, follower := a.listen(background, "leader", nil), a.listen(background, "follower", nil)
		time.Sleep(3 * time.Second)
		a.w.recorder.mu.Lock()
		a.w.recorder.full = errs.New(peerOut, "full")
		a.w.recorder.mu.Unlock()
		<-leader.done
		if <-follower.done; !errs.Is(follower.err, peerOut) || follower.failure == nil || follower.finished != nil {
			t.Errorf("%v, in band %v", follower.err, follower.failure)
		}
		a.left()
	})
}

// A thousand clients at once cause one call, and hear the first word when it is said.
func TestAThousandFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 1000
		a := newAudience(t, func(w *world) { w.cache = blind{gone{}} })
		var all []*listener
		for i := range many {
			all = append(all, a.listen(background, fmt.Sprint("r", i), nil))
		}
		states := map[string]int{}
		for i, l := range all {
			if <-l.done; l.err != nil || l.text != fourWords || !strings.HasPrefix(l.heard[0], "2:one") {
				t.Fatalf("%d heard %v, %v", i, l.heard, l.err)
			}
			states[l.opened.GetCache()]++
		}
		cached := 0
		for _, r := range a.w.recorder.final {
			if r.GetOutcome() == billingv1.Outcome_OUTCOME_CACHED {
				cached++
			}
		}
		if states["miss"] != 1 || states["shared"] != many-1 || cached != many-1 || a.teller.asked != 1 {
			t.Errorf("states %v, %d records of shared ones, asked %d times", states, cached, a.teller.asked)
		}
		a.left()
	})
}

// While nobody follows, a chunk costs what it costs to collect it.
func TestALedChunkDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	r := &request{pipeline: w.pipeline(), sink: &nowhere{}, opened: true, collector: cache.NewCollector(4<<20, false)}
	r.flight, _ = r.pipeline.flights.Join(cache.Key{})
	r.flight.Show(r.collector, cache.Terms{}, func() {})
	_ = r.deliver(say(strings.Repeat("x", 1<<16)))
	c := say("word ")
	if n := testing.AllocsPerRun(1000, func() { _ = r.deliver(c) }); n != 0 {
		t.Errorf("%v allocations a chunk", n)
	}
}

package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// slow is a target that answers after a second, many at once.
type slow struct {
	mu    sync.Mutex
	asked int
	text  string
	fails int // so many times first
}

func (s *slow) begin(ctx context.Context) error {
	s.mu.Lock()
	s.asked++
	fails := s.asked <= s.fails
	s.mu.Unlock()
	if !pause(ctx, time.Second) {
		return ctx.Err()
	}
	if fails {
		return errs.New(down, "")
	}
	return nil
}

func (s *slow) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return (&model{text: s.text}).Generate(ctx, r)
}

func (s *slow) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	return (&model{text: s.text}).Stream(ctx, r)
}

func (s *slow) Embed(context.Context, *provider.EmbedRequest) (*provider.Embeddings, error) {
	return nil, errors.ErrUnsupported
}

// crowd is a pipeline for many requests at once, over one slow target.
type crowd struct {
	*Pipeline
	w      *world
	target *slow
}

func newCrowd(t *testing.T) *crowd {
	w := cachingWorld(t)
	w.route.Targets = w.route.Targets[:1]
	c := &crowd{Pipeline: w.pipeline(), w: w, target: &slow{text: "hello there"}}
	for _, one := range c.World().Targets {
		one.Adapter = c.target
	}
	c.peers.Checker, c.peers.Scanner, c.peers.Enricher, c.peers.Holder = nil, nil, nil, &holds{}
	return c
}

// holds takes any hold, and counts those that are given back.
type holds struct{ sync.Map }

func (h *holds) Hold(_ context.Context, r *billingv1.CreateHoldRequest) (*billingv1.CreateHoldResponse, error) {
	h.Store("holds/"+r.GetRequestId(), true)
	return &billingv1.CreateHoldResponse{Name: "holds/" + r.GetRequestId()}, nil
}

func (h *holds) Release(_ context.Context, name string) error {
	h.Delete(name)
	return nil
}

// outcome is what came of one request of a crowd.
type outcome struct {
	heard
	err  error
	took time.Duration
}

// ask makes a request in the background.
func (c *crowd) ask(ctx context.Context, id string, streamed bool, out chan<- outcome) {
	call := c.w.call("hello")
	call.RequestID = id
	go func() {
		began := time.Now()
		var o outcome
		if streamed {
			got := &client{t: c.w.t, recorder: c.w.recorder}
			o.err = c.Stream(ctx, call, got)
			o.text, o.state = got.text, got.opened.GetCache()
		} else if got, err := c.Generate(ctx, call); err == nil {
			o.text, o.state = got.Answer.Completion.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText(), got.Report.GetCache()
			o.id = got.Answer.Completion.GetId()
		} else {
			o.err = err
		}
		o.took = time.Since(began)
		out <- o
	}()
}

// closed checks that every request has one record and no hold is left.
func (c *crowd) closed(records int) {
	c.w.t.Helper()
	if len(c.w.recorder.final) != records || c.flights.Len() != 0 {
		c.w.t.Errorf("%d records, want %d; %d flights are open", len(c.w.recorder.final), records, c.flights.Len())
	}
	for _, r := range c.w.recorder.final {
		if r.GetLast() {
			c.peers.Holder.(*holds).Delete(r.GetHold())
		}
	}
	c.peers.Holder.(*holds).Range(func(name, _ any) bool {
		c.w.t.Errorf("%s is left", name)
		return true
	})
}

func states(t *testing.T, out <-chan outcome, n int) map[string]int {
	t.Helper()
	got, ids := map[string]int{}, map[string]bool{}
	for range n {
		o := <-out
		if o.err != nil {
			t.Error(o.err)
		} else if o.text != "hello there" {
			t.Errorf("heard %q", o.text)
		}
		if ids[o.id] && o.state == "shared" && o.id != "" {
			t.Errorf("two answers have the id %s", o.id)
		}
		ids[o.id] = true
		got[o.state]++
	}
	return got
}

func TestIdenticalRequestsAskOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 50)
		for i := range cap(out) {
			c.ask(context.Background(), fmt.Sprint("r", i), i%2 == 0, out)
		}
		got := states(t, out, cap(out))
		if got["miss"] != 1 || got["shared"] != cap(out)-1 || c.target.asked != 1 {
			t.Errorf("states %v, asked %d times", got, c.target.asked)
		}
		cached := 0
		for _, r := range c.w.recorder.final {
			if r.GetOutcome() == billingv1.Outcome_OUTCOME_CACHED {
				cached++
			}
		}
		if cached != cap(out)-1 {
			t.Errorf("%d are metered as cached", cached)
		}
		c.closed(cap(out))
	})
}

// The leader fails: one of those who wait takes its place, and the others wait on.
func TestAFailureOfTheLeaderIsNotTheirs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 10)
		c.target.fails = 1
		first := make(chan outcome, 1)
		c.ask(context.Background(), "leader", false, first)
		synctest.Wait()
		for i := range cap(out) {
			c.ask(context.Background(), fmt.Sprint("r", i), i%2 == 0, out)
		}
		got := states(t, out, cap(out))
		if o := <-first; !errs.Is(o.err, down) {
			t.Errorf("the leader: %+v", o)
		}
		if got["miss"] != 1 || got["shared"] != cap(out)-1 || c.target.asked != 2 {
			t.Errorf("states %v, asked %d times", got, c.target.asked)
		}
		c.closed(1 + cap(out))
	})
}

// The leader's client goes away: somebody who waits takes over.
func TestTheLeaderGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 10)
		ctx, cancel := context.WithCancel(context.Background())
		first := make(chan outcome, 1)
		c.ask(ctx, "leader", true, first)
		synctest.Wait()
		for i := range cap(out) {
			c.ask(context.Background(), fmt.Sprint("r", i), i%2 == 0, out)
		}
		time.Sleep(500 * time.Millisecond)
		cancel()
		if o := <-first; o.err == nil {
			t.Errorf("the leader: %+v", o)
		}
		if got := states(t, out, cap(out)); got["miss"] != 1 || got["shared"] != cap(out)-1 || c.target.asked != 2 {
			t.Errorf("states %v, asked %d times", got, c.target.asked)
		}
		c.closed(1 + cap(out))
	})
}

// A target that is down does not make those who wait fail one after the other
// for ever: after a few turns each asks on its own.
func TestTurnsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 20)
		c.target.fails = 1000
		for i := range cap(out) {
			c.ask(context.Background(), fmt.Sprint("r", i), false, out)
		}
		for range cap(out) {
			if o := <-out; !errs.Is(o.err, down) || o.took > (maxTurns+1)*time.Second {
				t.Errorf("%v after %v", o.err, o.took)
			}
		}
		c.closed(cap(out))
	})
}

// An answer that may not be kept is nobody else's either, and nobody waits
// twice for it.
func TestAnAnswerThatIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 10)
		c.w.route.Cache.MaxBytes = 10
		for i := range cap(out) {
			c.ask(context.Background(), fmt.Sprint("r", i), false, out)
		}
		if got := states(t, out, cap(out)); got["miss"] != cap(out) || c.target.asked != cap(out) {
			t.Errorf("states %v, asked %d times", got, c.target.asked)
		}
		c.closed(cap(out))
	})
}

func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 2)
		c.w.route.Cache.Wait = config.Duration(200 * time.Millisecond)
		c.ask(context.Background(), "leader", false, out)
		synctest.Wait()
		c.ask(context.Background(), "follower", false, out)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		hasty := make(chan outcome, 1)
		c.ask(ctx, "hasty", false, hasty)
		if o := <-hasty; o.err == nil || o.took != 100*time.Millisecond {
			t.Errorf("the hasty one: %v after %v", o.err, o.took)
		}
		if got := states(t, out, 2); got["miss"] != 2 {
			t.Errorf("states %v", got)
		}
	})
}

func TestWithoutSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 5)
		c.w.route.Cache.SingleFlight = false
		for i := range cap(out) {
			c.ask(context.Background(), fmt.Sprint("r", i), false, out)
		}
		if got := states(t, out, cap(out)); got["miss"] != cap(out) || c.target.asked != cap(out) {
			t.Errorf("states %v", got)
		}
	})
}

// blind looks up nothing, so that a look-up takes as long as the test says.
type blind struct{ Cache }

func (blind) Lookup(context.Context, *cache.Question) (*cache.Kept, error) { return nil, nil }

// Whoever shares an answer gets it from the leader, not from the store.
func TestSharingNeedsNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, out := newCrowd(t), make(chan outcome, 5)
		c.peers.Cache = blind{gone{}}
		for i := range cap(out) {
			c.ask(context.Background(), fmt.Sprint("r", i), true, out)
		}
		if got := states(t, out, cap(out)); got["shared"] != cap(out)-1 {
			t.Errorf("states %v", got)
		}
	})
}

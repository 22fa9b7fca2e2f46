package quota

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

var errDenied = errors.New("denied")

func denied(Rates, string, time.Duration) error { return errDenied }

// shared is a book whose store is there.
func shared(t *testing.T) (*Book, *store) {
	t.Helper()
	c := newClock()
	s := newStore(c.now)
	b := NewShared(seat{s, "me", new(int)}, 2, c.now)
	if err := b.Return(t.Context(), c.at, true); err != nil {
		t.Fatal(err)
	}
	return b, s
}

func TestGuestsHaveTheLimitOfNow(t *testing.T) {
	c := newClock()
	g := New(c.now).Guests(10, denied)
	ask := func(limit, n int64) error {
		_, err := g.Gate("a", Rates{Tokens: limit}).Reserve(t.Context(), "", n)
		return err
	}
	for _, step := range []struct {
		limit, n int64
		want     error
	}{{10, 10, nil}, {10, 1, errDenied}, {20, 10, nil}, {15, 1, errDenied}, {1 << 62, 1 << 39, nil}} {
		if err := ask(step.limit, step.n); !errors.Is(err, step.want) {
			t.Errorf("%d of %d: %v, want %v", step.n, step.limit, err, step.want)
		}
	}
}

// What a guest gives back is told to the store even if its gate is forgotten.
func TestForgottenGuestsAreSettled(t *testing.T) {
	b, s := shared(t)
	g := b.Guests(2, denied)
	r, err := g.Gate("first", Rates{Tokens: 1 << 30}).Reserve(t.Context(), "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 { // each uses more of its limit than the first
		if _, err := g.Gate(fmt.Sprint(i), Rates{Tokens: 10}).Reserve(t.Context(), "", 10); err != nil {
			t.Fatal(err)
		}
	}
	if n := g.Len(); n > 2 || b.gates["first"] != nil {
		t.Fatalf("there are %d gates, the first is still there: %v", n, b.gates["first"] != nil)
	}
	r.Settle(30)
	b.Flush(t.Context())
	if got := s.row("first", "").total.Tokens; got != 30 {
		t.Errorf("the store counts %d", got)
	}
}

// hook is a store that somebody watches being told what was granted.
type hook struct {
	seat
	during func()
}

func (h *hook) Replace(ctx context.Context, target, model string, granted *Window) error {
	h.during()
	return h.seat.Replace(ctx, target, model, granted)
}

func TestGuestsWhoComeWhileTheStoreComesBack(t *testing.T) {
	c := newClock()
	s := newStore(c.now)
	hooked := &hook{seat: seat{s, "me", new(int)}}
	b := NewShared(hooked, 1, c.now)
	g := b.Guests(10, denied)
	ask := func(name string) {
		t.Helper()
		if _, err := g.Gate(name, Rates{Tokens: 100}).Reserve(t.Context(), "", 7); err != nil {
			t.Fatal(err)
		}
	}
	ask("before")
	hooked.during = func() { ask("during") }
	if err := b.Return(t.Context(), c.at, true); err != nil {
		t.Fatal(err)
	}
	ask("after")
	b.Flush(t.Context())
	for _, name := range []string{"before", "during", "after"} {
		if got := s.row(name, "").total; got != (Rates{1, 7}) {
			t.Errorf("%s: the store counts %v", name, got)
		}
	}
}

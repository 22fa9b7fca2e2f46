package quota

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Gate holds a target to its limits. It is safe for concurrent use, and
// outlives the target's configuration. Nil lets everything through.
type Gate struct {
	target string
	book   *Book
	deny   Deny

	open atomic.Int64 // reservations that are not settled

	mu     sync.Mutex
	scopes map[string]*scope // by model; "" is the whole target
	called int64             // the second in which a guest was last here
}

// limit sets the limits. What was granted stays.
func (g *Gate) limit(l provider.Limits, linked bool, spell int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before := g.scopes
	g.scopes = make(map[string]*scope, len(l.Models)+1)
	set := func(model string, r provider.Rates) {
		limit := Rates{r.RequestsPerMinute, r.TokensPerMinute}.within()
		if limit == (Rates{}) {
			return
		}
		s := before[model]
		if s == nil {
			s = newScope(linked, spell)
		}
		s.limit = limit
		g.scopes[model] = s
	}
	set("", l.Rates)
	for model, r := range l.Models {
		set(model, r)
	}
}

// Reservation is what an attempt has reserved. The zero value has reserved nothing.
type Reservation struct {
	gate   *Gate
	scopes [2]*scope // the target's and the model's; nil for none
	// second is the one in which it counts, and spell the time of deciding alone
	// in which it was granted; together if all decided.
	second int64
	spell  int
	n      Rates
}

const together = -1

// asks are the limits that a request meets.
func (r *Reservation) asks() []Ask {
	asks := make([]Ask, 0, len(r.scopes))
	for i, s := range r.scopes {
		if s != nil {
			asks = append(asks, Ask{Model: i == 1, Limit: s.limit, N: r.n})
		}
	}
	return asks
}

// Reserve takes one request and the most tokens that it may use from what the
// target's provider grants, or fails with PROVIDER_RATE_LIMITED and the time
// after which it would succeed.
func (g *Gate) Reserve(ctx context.Context, model string, tokens int64) (Reservation, error) {
	if g == nil {
		return Reservation{}, nil
	}
	r := Reservation{gate: g, n: Rates{1, tokens}.within()}
	g.mu.Lock()
	r.scopes[0] = g.scopes[""]
	if model != "" {
		r.scopes[1] = g.scopes[model]
	}
	g.mu.Unlock()
	if r.scopes == ([2]*scope{}) {
		return Reservation{}, nil
	}
	if err := r.decide(ctx, model); err != nil {
		return Reservation{}, err
	}
	g.open.Add(1)
	return r, nil
}

// decide asks all replicas, or if that cannot be this one alone.
func (r *Reservation) decide(ctx context.Context, model string) error {
	if !r.gate.book.enter() {
		return r.alone(true)
	}
	defer r.gate.book.leave()
	return r.together(ctx, model)
}

// together lets all replicas decide. Until the others are back too, this one
// also keeps to its share.
func (r *Reservation) together(ctx context.Context, model string) error {
	g, st := r.gate, r.gate.book.state.Load()
	if st.careful {
		if err := r.alone(false); err != nil {
			return err
		}
	}
	g.mu.Lock()
	asks := r.asks()
	g.mu.Unlock()
	reply, err := g.book.shared.Reserve(ctx, g.target, model, asks)
	if err != nil {
		g.book.Away() // whoever notices first
		if st.careful {
			return nil
		}
		return r.alone(true)
	}
	g.book.observe(reply.Time)
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.careful {
		r.add(Rates{}.minus(r.n)) // it is counted again, in the store's second
	} else {
		r.spell = together
	}
	r.note(&reply)
	if !reply.Granted {
		return r.refuse(reply.Limit, reply.Wait)
	}
	r.second = reply.Second
	r.add(r.n)
	return nil
}

// refuse is for an amount that does not fit. The gate is locked.
func (r *Reservation) refuse(which string, wait time.Duration) error {
	limit := Rates{}
	if s := r.scopes[0]; s != nil { // all that a guest has
		limit = s.limit
	}
	return r.gate.deny(limit, which, wait)
}

// alone decides by what this replica knows. With tell, the store hears of it
// later, if it knows the rest already.
func (r *Reservation) alone(tell bool) error {
	g := r.gate
	at := g.book.second()
	g.mu.Lock()
	st := g.book.state.Load()
	defer g.mu.Unlock()
	for _, s := range r.scopes {
		if s == nil {
			continue
		}
		s.turn(at)
		if which, seconds := s.ledgers.refuse(s.limit, r.n, st.share); which != "" {
			return r.refuse(which, g.book.until(s.granted.At+seconds))
		}
	}
	r.second, r.spell = at, st.spell
	r.add(r.n)
	if tell {
		r.tell(r.n)
	}
	return nil
}

// add counts a change where the reservation counts. The gate is locked.
func (r *Reservation) add(change Rates) {
	for _, s := range r.scopes {
		if s == nil {
			continue
		}
		s.turn(r.second)
		s.granted.add(r.second, change)
		s.ledgers.add(r.spell, r.second, change)
	}
}

// tell has the store hear of a change.
func (r *Reservation) tell(change Rates) {
	for _, s := range r.scopes {
		if s != nil && s.change(r.second, change) {
			r.gate.book.changed(r.gate)
		}
	}
}

// note keeps what all replicas were granted.
func (r *Reservation) note(reply *Reply) {
	i := 0
	for _, s := range r.scopes {
		if s != nil {
			s.note(reply.Windows[i], reply.Time)
			i++
		}
	}
}

// Settle replaces the reserved tokens by those that were used. It is called
// once, unless Cancel is.
func (r Reservation) Settle(used int64) {
	r.end(Rates{0, min(max(used, 0), Most) - r.n.Tokens})
}

// Cancel gives everything back: nothing was sent.
func (r Reservation) Cancel() { r.end(Rates{}.minus(r.n)) }

func (r Reservation) end(change Rates) {
	if r.gate == nil {
		return
	}
	defer r.gate.open.Add(-1)
	if change == (Rates{}) {
		return
	}
	at := r.gate.book.second()
	r.gate.mu.Lock()
	defer r.gate.mu.Unlock()
	for _, s := range r.scopes {
		if s != nil {
			s.turn(at)
		}
	}
	r.add(change)
	r.tell(change)
}

// denyTarget refuses an attempt on a target.
func denyTarget(_ Rates, which string, wait time.Duration) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
		"the target's limit of %s per minute is used up", which).
		WithRetryAfter(wait).WithMetadata("limit", which+"_per_minute")
}

package route

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
)

// rank is what stands above the strategy: it orders candidates of one rank only.
type rank uint8

const (
	// picked: a rule of the operator's prefers it.
	picked rank = iota
	// chosen: its share of requests makes it the first, as a canary.
	chosen
	// paid: it costs the same whether it is used or not, and has room.
	paid
	// usual is healthy.
	usual
	// returning was away, comes back, and does not take part in every decision.
	returning
	// full is paid for, but has no room.
	full
	// reserve has no weight, or is a canary whose turn it is not.
	reserve
	// probed may be asked by a few requests, to see whether it works again.
	probed
	// away would not be asked, if others were left.
	away
)

var standings = map[rank]string{
	returning: "it is coming back and takes part in only a part of the decisions",
	full:      "its provisioned capacity is used up",
	reserve:   "it is asked only if others fail",
	probed:    "its circuit is half-open",
	away:      "it does worse than the others",
}

// stand gives every candidate its rank.
func (e *Entry) stand(d *Decision, commit bool) {
	now, turn := d.question.Time, e.canaryTurn(d, commit)
	scales := e.kind.scales || e.Sticky.On()
	weighs := e.kind.weighs || e.Sticky.On()
	for _, c := range d.Order {
		c.share, c.rank = 1, usual
		if c.monitor != nil && !d.calm {
			c.rank, c.share = healthy(c.monitor, now)
		}
		if c.rank != usual {
			continue
		}
		switch meter := c.Target.Capacity; {
		case c.ref == e.canary:
			c.rank = reserve
			if turn {
				c.rank = chosen
			}
		case weighs && e.Targets[c.ref].Weight == 0:
			c.rank = reserve
		case meter != nil && meter.HasRoom(now):
			c.rank = paid
		case meter != nil:
			c.rank = full
		case c.share < 1 && !scales && unit(mix(d.outcome.roll+uint64(c.ref))) >= c.share:
			c.rank = returning
		}
	}
	if turn {
		d.outcome.first = byCanary
	}
}

// healthy is the rank and the share that a monitor stands for.
func healthy(m *health.Monitor, now time.Time) (rank, float64) {
	switch state, share := m.Standing(now); state {
	case health.Closed:
		return usual, share
	case health.HalfOpen:
		return probed, 1
	default:
		return away, 1
	}
}

// probeEvery is how often a request of a route is given to a candidate whose
// circuit is half-open, although others are healthy: without it, it would stay
// so for ever. How many go through at once is the circuit's own decision, and
// one that it refuses goes to the next candidate unnoticed.
const probeEvery = 250 * time.Millisecond

// prober remembers when a route last gave a request to such a candidate.
type prober struct{ last atomic.Int64 } // Unix milliseconds; 0 for never

// probe puts a candidate first whose circuit is half-open, if it is time.
func (e *Entry) probe(d *Decision, commit bool) {
	from, to := 0, 0
	for i := range d.Order {
		if d.Order[i].rank == probed {
			if to == 0 {
				from = i
			}
			to = i + 1
		}
	}
	if from == 0 {
		return // there is none, or it is the first as it is
	}
	now, last := max(1, d.question.Time.UnixMilli()), e.prober.last.Load()
	if last != 0 && now-last < probeEvery.Milliseconds() {
		return
	}
	if commit && !e.prober.last.CompareAndSwap(last, now) {
		return // another request does it
	}
	toFront(d.Order, from+below(d.outcome.roll, to-from))
	d.outcome.first = byProbe
}

// reason says why a candidate stands at its place.
func (d *Decision) reason(place int) string {
	if d.Degraded {
		return d.degradedReason(place)
	}
	c := d.Order[place]
	if place == 0 {
		switch d.outcome.first {
		case byRule:
			return d.preferredBy(c) + d.Entry.strategy.reason(d, place)
		case byCanary:
			return fmt.Sprintf("the canary: it gets %g %% of the requests", d.Entry.Canary.Percent)
		case bySticky:
			return d.Entry.Sticky.reason()
		case byProbe:
			return "its circuit is half-open: this request shows whether it works again"
		}
	}
	why := d.Entry.strategy.reason(d, place)
	switch standing := standings[c.rank]; {
	case c.rank == picked:
		return d.preferredBy(c) + why
	case c.rank == paid && place == 0:
		return "its provisioned capacity has room; " + why
	case standing != "":
		return standing + "; " + why
	default:
		return why
	}
}

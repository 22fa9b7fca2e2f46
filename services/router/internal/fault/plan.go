// Package fault says what goes wrong with a target on purpose, while a drill
// runs. It decides and keeps count; what asks targets does what it says.
package fault

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Faults are what goes wrong. Latency goes with any of the others; of the
// others a plan has one.
type Faults struct {
	// Share is how many of the exchanges are hit, from 0 to 1.
	Share float64
	// Latency is waited for before the exchange.
	Latency time.Duration
	// Statuses are answered in place of the target.
	Statuses []Status
	// RetryAfter is what such an answer asks for; 0 for nothing.
	RetryAfter time.Duration
	// Blackhole swallows the request: nothing comes back.
	Blackhole bool
	// Cut breaks answers off; nil leaves them whole.
	Cut *Cut
}

// Status is an HTTP status with its share among those of a plan.
type Status struct {
	Code   int
	Weight float64
}

// Cut says where an answer breaks off: behind so many bytes or events of a
// stream, whichever comes first; 0 is no bound. Without bounds nothing of the
// body comes. Whole answers have no events.
type Cut struct {
	Bytes  int64
	Events int
}

// Plan is the faults of one drill, for as long as they last. Every target of
// the drill has the same one. It is safe for concurrent use.
type Plan struct {
	faults  Faults
	until   time.Time
	over    chan struct{}
	stop    sync.Once
	first   atomic.Int64 // UnixNano of the first exchange that was hit
	struck  atomic.Int64
	chance  func() float64
	heavier float64 // what the weights come to
}

// NewPlan makes a plan that ends at until by itself, whoever else forgets it.
func NewPlan(f Faults, until time.Time) *Plan {
	p := &Plan{faults: f, until: until, over: make(chan struct{}), chance: rand.Float64}
	for _, s := range f.Statuses {
		p.heavier += s.Weight
	}
	return p
}

// Stop ends the faults, also for those that are waiting on them. It can be
// called more than once.
func (p *Plan) Stop() { p.stop.Do(func() { close(p.over) }) }

// Over is closed once the faults have been stopped. It says nothing of time.
func (p *Plan) Over() <-chan struct{} { return p.over }

// Until is when the faults end at the latest.
func (p *Plan) Until() time.Time { return p.until }

// Active says whether there are faults at now.
func (p *Plan) Active(now time.Time) bool {
	select {
	case <-p.over:
		return false
	default:
		return now.Before(p.until)
	}
}

// First is when the first exchange was hit; zero if none was.
func (p *Plan) First() time.Time {
	if at := p.first.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// Struck is how many exchanges were hit.
func (p *Plan) Struck() int64 { return p.struck.Load() }

// Name says what the faults are, in a word.
func (f *Faults) Name() string {
	switch {
	case f.Blackhole:
		return "blackhole"
	case len(f.Statuses) > 0:
		return "errors"
	case f.Cut != nil:
		return "cut"
	default:
		return "latency"
	}
}

// Strike is what happens to one exchange.
type Strike struct {
	// Name says what it is, in a word.
	Name string
	// The rest is as in Faults.
	Latency, RetryAfter time.Duration
	Blackhole           bool
	Status              int // 0 for none
	Cut                 *Cut
}

// Strike decides what happens to an exchange that begins at now; false if
// nothing does.
func (p *Plan) Strike(now time.Time) (Strike, bool) {
	if !p.Active(now) || p.faults.Share < 1 && p.chance() >= p.faults.Share {
		return Strike{}, false
	}
	p.first.CompareAndSwap(0, now.UnixNano())
	p.struck.Add(1)
	f := &p.faults
	return Strike{
		Name: f.Name(), Latency: f.Latency, RetryAfter: f.RetryAfter, Blackhole: f.Blackhole, Status: p.status(), Cut: f.Cut,
	}, true
}

// status draws one of the statuses by weight.
func (p *Plan) status() int {
	if len(p.faults.Statuses) == 0 {
		return 0
	}
	at := p.chance() * p.heavier
	for _, s := range p.faults.Statuses {
		if at -= s.Weight; at < 0 {
			return s.Code
		}
	}
	return p.faults.Statuses[len(p.faults.Statuses)-1].Code // rounding
}

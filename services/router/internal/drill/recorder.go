package drill

import (
	"cmp"
	"maps"
	"sync"
	"time"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// The phases of a drill.
const (
	before = routerv1.DrillPhase_DRILL_PHASE_BEFORE
	during = routerv1.DrillPhase_DRILL_PHASE_DURING
	after  = routerv1.DrillPhase_DRILL_PHASE_AFTER
)

// Recorder keeps account of the requests that end while a drill runs. It is
// safe for concurrent use.
type Recorder struct {
	targets map[string]bool

	mu     sync.Mutex
	starts [after + 1]time.Time // when each phase began; zero for not yet
	phases [after + 1]tally
}

// NewRecorder makes the recorder of a drill on the targets of these names.
func NewRecorder(targets []string) *Recorder {
	r := &Recorder{targets: make(map[string]bool, len(targets))}
	for _, name := range targets {
		r.targets[name] = true
	}
	return r
}

// enter begins a phase.
func (r *Recorder) enter(phase routerv1.DrillPhase, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.starts[phase] = now
	r.phases[phase] = newTally()
}

// Record counts a request. It belongs to the phase in which it began.
func (r *Recorder) Record(s *Sample) {
	if !s.concerns(r.targets) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for phase := after; phase >= before; phase-- {
		if start := r.starts[phase]; !start.IsZero() && !s.Began.Before(start) {
			r.phases[phase].add(s, r.targets, phase == during)
			return
		}
	}
}

// figures are what was seen of a phase so far.
func (r *Recorder) figures(phase routerv1.DrillPhase, now time.Time) *routerv1.DrillFigures {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.figuresLocked(phase, now)
}

func (r *Recorder) figuresLocked(phase routerv1.DrillPhase, now time.Time) *routerv1.DrillFigures {
	out := r.phases[phase].figures()
	out.Phase, out.Duration = phase, lasting(now.Sub(r.starts[phase]))
	return out
}

// turns are the moments at which requests took another way.
type turns struct {
	usual              float64   // the targets' share of the answers before
	failOver, failBack time.Time // zero for never
}

// turns looks for them, once all is over. A request that began before the
// first fault has not yet been diverted by it.
func (r *Recorder) turns(first time.Time) turns {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := turns{usual: r.phases[before].share()}
	known := t.usual > 0
	usual := t.usual
	if !known {
		usual = 1
	}
	if !first.IsZero() {
		t.failOver = turning(r.phases[during].marks, first, func(m mark) bool { return m.elsewhere },
			func(hits, of int) bool { return float64(of-hits) <= usual*float64(of)/10 })
	}
	if known {
		t.failBack = turning(r.phases[after].marks, r.starts[after], func(m mark) bool { return m.there },
			func(hits, of int) bool { return float64(hits) >= usual*float64(of)*9/10 })
	}
	return t
}

// tally is what was seen of a phase.
type tally struct {
	results             [cancelled + 1]int64
	rescued, recovered  int64
	attempts, lost      int64
	there               int64 // answers by targets of the drill
	durations, contents reservoir
	failures, served    map[string]int64
	marks               []mark
}

func newTally() tally {
	return tally{failures: make(map[string]int64), served: make(map[string]int64)}
}

func (t *tally) add(s *Sample, targets map[string]bool, faulty bool) {
	asked := s.asks(targets)
	result := s.result(faulty && asked)
	t.results[result]++
	t.attempts += int64(len(s.Asked))
	t.lost += s.Lost
	switch result {
	case failed:
		t.failures[errs.New(s.Reason, "").ReasonName()]++
	case succeeded:
		t.served[cmp.Or(s.Served, fromCache)]++
		if targets[s.Served] {
			t.there++
		}
		if s.Failed > 0 {
			t.rescued++
		}
		if s.Recovered {
			t.recovered++
		}
		t.durations.add(s.Ended.Sub(s.Began))
		if !s.First.IsZero() {
			t.contents.add(s.First.Sub(s.Began))
		}
	}
	t.mark(s, targets, result, asked)
}

// mark notes where the request was answered, if a target had to.
func (t *tally) mark(s *Sample, targets map[string]bool, result result, asked bool) {
	if len(t.marks) < maxMarks && (result == succeeded && s.Served != "" || result == failed) {
		t.marks = append(t.marks, mark{
			began: s.Began, elsewhere: result == succeeded && !asked, there: targets[s.Served],
		})
	}
}

// fromCache is who answered if no target did.
const fromCache = "(cache)"

// share is the targets' share of the answers.
func (t *tally) share() float64 {
	if t.results[succeeded] == 0 {
		return 0
	}
	return float64(t.there) / float64(t.results[succeeded])
}

func (t *tally) figures() *routerv1.DrillFigures {
	out := &routerv1.DrillFigures{
		Succeeded: t.results[succeeded], Failed: t.results[failed], Refused: t.results[refused], Cancelled: t.results[cancelled],
		Rescued: t.rescued, Recovered: t.recovered, Attempts: t.attempts, TokensLost: t.lost, Share: t.share(),
		Failures: maps.Clone(t.failures), Served: maps.Clone(t.served),
	}
	for _, n := range t.results {
		out.Requests += n
	}
	sorted := t.durations.sorted()
	out.P50, out.P99 = quantile(sorted, .50), quantile(sorted, .99)
	sorted = t.contents.sorted()
	out.P50TimeToFirstToken, out.P99TimeToFirstToken = quantile(sorted, .50), quantile(sorted, .99)
	return out
}

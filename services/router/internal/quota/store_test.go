package quota

import (
	"context"
	"errors"
	"time"
)

var errAway = errors.New("the store is away")

// store is a Shared in memory: the rules of the real one, whose script is tested
// where it stands.
type store struct {
	now  func() time.Time
	away bool
	rows map[string]map[string]*Window // by limit and replica; "" is all
	// started counts its starts: connections do not outlive one.
	started int
}

func newStore(now func() time.Time) *store {
	return &store{now: now, rows: make(map[string]map[string]*Window)}
}

// seat is a replica's connection to it.
type seat struct {
	*store
	id        string
	connected *int
}

// reach fails if the store is away, or was: whoever is not connecting anew sees
// that its connection is broken.
func (s seat) reach(connect bool) error {
	if connect && !s.away {
		*s.connected = s.started
	}
	if s.away || *s.connected != s.started {
		return errAway
	}
	return nil
}

type plain Window

func (p plain) Decode() (Window, bool) { return Window(p), true }

func (s *store) row(key, id string) *Window {
	if s.rows[key] == nil {
		s.rows[key] = make(map[string]*Window)
	}
	w := s.rows[key][id]
	if w == nil {
		w = &Window{}
		s.rows[key][id] = w
	}
	w.turn(s.now().Unix())
	return w
}

func (s seat) Reserve(_ context.Context, target, model string, asks []Ask) (Reply, error) {
	if err := s.reach(false); err != nil {
		return Reply{}, err
	}
	reply := Reply{Granted: true, Time: s.now(), Second: s.now().Unix()}
	keys := make([]string, len(asks))
	for i, a := range asks {
		keys[i] = target
		if a.Model {
			keys[i] += "/" + model
		}
		l := ledger{after: *s.row(keys[i], "")}
		if which := l.fits(a.Limit, a.N, whole); which != "" {
			wait := l.wait(a.Limit, a.N, whole)
			reply.Granted, reply.Limit = false, which
			reply.Wait = max(reply.Wait, time.Unix(reply.Second+wait, 0).Sub(reply.Time))
		}
	}
	for i, a := range asks {
		if reply.Granted {
			s.row(keys[i], "").add(reply.Second, a.N)
			s.row(keys[i], s.id).add(reply.Second, a.N)
		}
		reply.Windows = append(reply.Windows, plain(*s.row(keys[i], "")))
	}
	return reply, nil
}

func key(target, model string) string {
	if model != "" {
		return target + "/" + model
	}
	return target
}

func (s seat) Adjust(_ context.Context, target, model string, changes map[int64]Rates) error {
	if err := s.reach(false); err != nil {
		return err
	}
	for second, n := range changes {
		s.row(key(target, model), "").add(second, n)
		s.row(key(target, model), s.id).add(second, n)
	}
	return nil
}

func (s seat) Replace(_ context.Context, target, model string, granted *Window) error {
	if err := s.reach(true); err != nil {
		return err
	}
	all, mine := s.row(key(target, model), ""), s.row(key(target, model), s.id)
	next := *granted
	next.turn(s.now().Unix())
	for second := all.At - Seconds + 1; second <= all.At; second++ {
		all.add(second, next.Used[place(second)].minus(mine.Used[place(second)]))
	}
	*mine = next
	return nil
}

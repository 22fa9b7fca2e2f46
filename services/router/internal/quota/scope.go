package quota

import "time"

// scope is the state of one limit: a target's, or a model's on it.
type scope struct {
	limit Rates
	// granted is what this replica granted, whoever decided.
	granted Window
	// ledgers decide while this replica decides alone.
	ledgers ledgers
	// latest is what all replicas were granted, as of a time of the store.
	latest     Encoded
	latestTime time.Time
	// linked is set while the store knows what was granted; changes wait to be
	// told to it.
	linked  bool
	changes map[int64]Rates
}

func newScope(linked bool, spell int) *scope {
	return &scope{linked: linked, ledgers: ledgers{{spell: spell}}}
}

func (s *scope) turn(at int64) {
	s.granted.turn(at)
	s.ledgers.turn(at)
}

func (s *scope) note(w Encoded, at time.Time) {
	if !at.Before(s.latestTime) {
		s.latest, s.latestTime = w, at
	}
}

// change has the store hear of it, if it knows the rest.
func (s *scope) change(second int64, n Rates) bool {
	if !s.linked {
		return false // it will be told everything
	}
	if s.changes == nil {
		s.changes = make(map[int64]Rates)
	}
	s.changes[second] = s.changes[second].plus(n)
	return true
}

// unlink: the store does not know what follows.
func (s *scope) unlink() { s.linked, s.changes = false, nil }

// away begins to decide alone, on from what all were granted. With keep, what
// it knew the time before binds it still.
func (s *scope) away(spell int, keep bool) {
	s.unlink()
	fresh := ledger{spell: spell}
	if s.latest != nil {
		if w, ok := s.latest.Decode(); ok {
			w.sum()
			fresh.before = w
		}
	}
	if !keep {
		s.ledgers = nil
	}
	s.ledgers = append(s.ledgers, fresh)
	if len(s.ledgers) > maxLedgers {
		s.ledgers = s.ledgers[1:]
	}
}

// link hands out what this replica granted; what follows is told as changes.
func (s *scope) link(at int64) Window {
	s.turn(at)
	s.linked, s.changes = true, nil
	return s.granted
}

// linkLate has the store hear of what this replica granted as of changes, if it
// has not heard of it otherwise. It says whether there are any.
func (s *scope) linkLate() bool {
	if s.linked {
		return false
	}
	s.linked = true
	for second := s.granted.At - Seconds + 1; second <= s.granted.At; second++ {
		if n := s.granted.Used[place(second)]; n != (Rates{}) {
			s.change(second, n)
		}
	}
	return len(s.changes) > 0
}

// shift moves to a clock that shows more seconds.
func (s *scope) shift(seconds int64) {
	s.granted = s.granted.shifted(seconds)
	for i := range s.ledgers {
		l := &s.ledgers[i]
		l.before, l.after = l.before.shifted(seconds), l.after.shifted(seconds)
	}
}

package health

import (
	"fmt"
	"time"
)

// ejections is what is remembered of them; the monitor's lock guards it.
type ejections struct {
	number int   // how many of late
	ended  int64 // when the latest ended, UnixNano
}

// Judge compares models that could answer for each other, and says into states
// what each counts as among them. It ejects those that fail often in a row, or
// clearly more than the others do, and lets those come back whose time is over.
// It never ejects the last one that works, nor more than the configuration
// allows of these peers; where others have ejected more, or no other is left,
// ejected ones count as Closed, the first to come back first.
func Judge(peers []*Monitor, states []State, now time.Time) {
	n := now.UnixNano()
	f := survey(peers, states, now)
	if f.suspicious {
		f.ejectWorst(peers, states, n)
	}
	if f.ejected > 0 {
		f.readmit(peers, states)
	}
}

// field is what Judge sees of all peers.
type field struct {
	serving, ejected int
	hosts            int     // how many were asked often enough to be compared
	rates            float64 // the sum of their rates of success
	suspicious       bool    // someone failed of late
}

func survey(peers []*Monitor, states []State, now time.Time) field {
	var f field
	n := now.UnixNano()
	for i, m := range peers {
		if until := m.ejected.Load(); until != 0 && n >= until {
			m.comeBack(n)
		}
		states[i] = m.State(now)
		switch states[i] {
		case Ejected:
			f.ejected++
			continue
		case HalfOpen:
			f.serving++
			continue
		case Open, Cooling:
			continue
		}
		f.serving++
		_, failed := m.latest()
		f.suspicious = f.suspicious || failed > 0
	}
	return f
}

func (f *field) ejectWorst(peers []*Monitor, states []State, now int64) {
	for i, m := range peers {
		if rate, ok := m.success(&m.group.config.Load().Outlier, now); ok && states[i] == Closed {
			f.hosts++
			f.rates += rate
		}
	}
	for i, m := range peers {
		o := &m.group.config.Load().Outlier
		if o.Disabled || states[i] != Closed || f.serving < 2 || (f.ejected+1)*100 > o.MaxEjectedPercent*len(peers) {
			continue
		}
		if reason := m.worse(f, o, now); reason != "" && m.eject(now, reason, o) {
			states[i] = Ejected
			f.ejected++
			f.serving--
		}
	}
}

// readmit lets ejected ones count as closed as long as too many are out.
func (f *field) readmit(peers []*Monitor, states []State) {
	for {
		first := -1
		for i, m := range peers {
			percent := m.group.config.Load().Outlier.MaxEjectedPercent
			if states[i] == Ejected && (f.serving == 0 || f.ejected*100 > percent*len(peers)) &&
				(first < 0 || m.ejected.Load() < peers[first].ejected.Load()) {
				first = i
			}
		}
		if first < 0 {
			return
		}
		states[first] = Closed
		f.ejected--
	}
}

// serves says whether nothing holds the model back.
func (m *Monitor) serves(now int64) bool {
	return m.current().circuit() == Closed && !lasts(&m.cooling, now) && !lasts(&m.ejected, now)
}

// latest counts the calls and failures of the breaker's window.
func (m *Monitor) latest() (calls, failed uint64) {
	recent := m.recent.Load()
	return recent >> 32, recent & (1<<32 - 1)
}

// success is the rate of success of late, and whether it says anything.
func (m *Monitor) success(o *Outlier, now int64) (float64, bool) {
	calls, failed := m.latest()
	latest := max(m.lastSuccess.Load(), m.lastFailure.Load())
	if calls < uint64(o.MinRequests) || now-latest > int64(m.group.config.Load().Breaker.Window) {
		return 0, false
	}
	return float64(calls-failed) / float64(calls), true
}

// worse says why the model is to be ejected; empty if it is not.
func (m *Monitor) worse(f *field, o *Outlier, now int64) string {
	if n := m.streak.Load(); n >= int64(o.ConsecutiveFailures) {
		return fmt.Sprintf("%d failures in a row", n)
	}
	rate, ok := m.success(o, now)
	if !ok || f.hosts < o.MinHosts {
		return ""
	}
	others := (f.rates - rate) / float64(f.hosts-1)
	if rate*100 >= others*100-float64(o.Margin) {
		return ""
	}
	return fmt.Sprintf("%.0f %% of its calls succeed, %.0f %% of its peers'", rate*100, others*100)
}

// eject takes the model out. The number of ejections, which decides how long,
// falls by one for each EjectionTime that went well.
func (m *Monitor) eject(now int64, reason string, o *Outlier) bool {
	m.mu.Lock()
	if !m.serves(now) {
		m.mu.Unlock()
		return false
	}
	e := &m.ejections
	if well := (now - e.ended) / int64(o.EjectionTime); e.ended != 0 && well > 0 {
		e.number = max(0, e.number-int(min(well, int64(e.number))))
	}
	e.number++
	d := min(o.EjectionTime.Std()*time.Duration(e.number), o.MaxEjectionTime.Std())
	until := now + m.group.spreadOut(d)
	e.ended = until
	m.ejected.Store(until)
	m.enter(Closed) // what is under way says nothing about later
	m.unlock(change{from: Closed, to: Ejected, now: now, until: until, reason: reason})
	return true
}

// comeBack notes that an ejection is over.
func (m *Monitor) comeBack(now int64) {
	m.mu.Lock()
	until := m.ejected.Load()
	if until == 0 || now < until {
		m.mu.Unlock()
		return
	}
	m.ejected.Store(0)
	m.back.Store(max(m.back.Load(), until))
	var c change
	if m.current().circuit() == Closed {
		c = change{from: Ejected, to: Closed, now: now, reason: "its time is over"}
	}
	m.unlock(c)
}

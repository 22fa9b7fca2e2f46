package capacity

import (
	"sync"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Meter measures one provisioned target. A nil meter measures nothing. It is
// safe for concurrent use.
type Meter struct {
	mu     sync.Mutex
	config provider.Provisioned

	started  time.Time
	minute   window // tokens used, and those of an hour
	hour     window
	inFlight int64
	mean     float64 // tokens of an attempt

	worth, spilled window // of an hour: expected costs on demand, nano-USD
}

// New makes a meter for a target, or goes on with the one that it had. It
// returns nil for a target without provisioned capacity.
func New(p *provider.Provisioned, before *Meter, now time.Time) *Meter {
	if p == nil {
		return nil
	}
	if before != nil {
		before.mu.Lock()
		defer before.mu.Unlock()
		before.config = *p
		return before
	}
	return &Meter{
		config: *p, started: now,
		minute: newWindow(time.Minute, 60), hour: newWindow(time.Hour, 60), worth: newWindow(time.Hour, 60), spilled: newWindow(time.Hour, 60),
	}
}

// Enter counts an attempt that starts.
func (m *Meter) Enter() {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.inFlight++
	m.mu.Unlock()
}

// Leave counts the end of one, and the tokens that it used.
func (m *Meter) Leave(now time.Time, tokens int64) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inFlight = max(0, m.inFlight-1)
	m.minute.add(now, tokens)
	m.hour.add(now, tokens)
	if m.mean == 0 {
		m.mean = float64(tokens)
	} else {
		m.mean += (float64(tokens) - m.mean) / 16
	}
}

// Utilization is how much of the capacity the last minute used, and what is
// under way is expected to use; 1 is all of it.
func (m *Meter) Utilization(now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.utilization(now)
}

func (m *Meter) utilization(now time.Time) float64 {
	used := float64(m.minute.sum(now)) + float64(m.inFlight)*m.mean
	return used / float64(m.config.TokensPerMinute)
}

// HasRoom says whether the target takes requests, rather than those that are
// paid for by the token.
func (m *Meter) HasRoom(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.utilization(now) < m.config.MaxUtilization
}

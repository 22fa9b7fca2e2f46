package capacity

import (
	"fmt"
	"time"
)

// settled is how long a meter watches before it gives advice.
const settled = time.Hour

// Chosen notes that a request went to the target, and what it would be
// expected to cost on demand, nano-USD; negative if that is not known.
func (m *Meter) Chosen(now time.Time, onDemand int64) { m.note(now, &m.worth, onDemand) }

// Spilled notes that a request went elsewhere because the target was full.
func (m *Meter) Spilled(now time.Time, onDemand int64) { m.note(now, &m.spilled, onDemand) }

func (m *Meter) note(now time.Time, w *window, cost int64) {
	if cost <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	w.add(now, cost)
}

// Advice compares the last hour with its price: whether the same tokens would
// have been cheaper on demand, or more capacity cheaper than what went
// elsewhere. It is empty if the target pays, and until an hour has been seen.
func (m *Meter) Advice(target string, now time.Time) string {
	if m == nil {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	hourly := m.config.Hourly()
	if hourly == 0 || now.Sub(m.started) < settled {
		return ""
	}
	worth, spilled := m.worth.sum(now), m.spilled.sum(now)
	switch {
	case spilled > hourly:
		return fmt.Sprintf("provision more of %s: what went elsewhere in the last hour because it was full "+
			"was expected to cost %s, and an hour of its capacity costs %s", target, usd(spilled), usd(hourly))
	case worth >= hourly:
		return ""
	case worth == 0:
		return fmt.Sprintf("%s costs %s an hour, and was not used in the last one", target, usd(hourly))
	default:
		return fmt.Sprintf("the last hour of %s would have been cheaper on demand: about %s instead of %s; %s",
			target, usd(worth), usd(hourly), m.breakeven(now, float64(hourly)/float64(worth)))
	}
}

// breakeven says from which use on the target pays, if the last hour's requests
// would have had to be so many times as many.
func (m *Meter) breakeven(now time.Time, times float64) string {
	used := float64(m.hour.sum(now)) / (60 * float64(m.config.TokensPerMinute))
	if used*times > 1 {
		return "at these prices it does not pay even if it is fully used"
	}
	return fmt.Sprintf("it was used to %.0f %% and pays from %.0f %%", 100*used, 100*used*times)
}

func usd(nano int64) string { return fmt.Sprintf("$%.2f", float64(nano)/1e9) }

package load

import (
	"context"
	"fmt"
	"time"
)

// Progress is told of each finished round; it may be nil.
type Progress func(mode Mode, round int, gateway string, reqPerSec float64, errors int64)

// Run measures the gateways in turn, round by round, and each round begins with
// another one: what disturbs the machine for a while disturbs all of them.
func Run(ctx context.Context, p Plan, gateways []Gateway, progress Progress) (*Report, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if len(gateways) == 0 || len(gateways) > 32 {
		return nil, fmt.Errorf("want 1 to 32 gateways, not %d", len(gateways))
	}
	clients := make([]*client, len(gateways))
	for i, g := range gateways {
		c, err := newClient(g, p)
		if err != nil {
			return nil, err
		}
		defer c.close()
		clients[i] = c
	}
	report := newReport(p, time.Now())
	for _, mode := range p.Modes {
		rounds := make([][]round, len(gateways))
		for n := range p.Rounds {
			for k := range gateways {
				i := (n + k) % len(gateways)
				r, err := runRound(ctx, gateways[i], clients[i], p, mode)
				if err != nil {
					return nil, fmt.Errorf("measure %s: %w", gateways[i].Name, err)
				}
				rounds[i] = append(rounds[i], r)
				if progress != nil {
					progress(mode, n+1, gateways[i].Name, r.perSecond(), r.errors)
				}
			}
		}
		report.add(mode, gateways, rounds)
	}
	return report, nil
}

func (r round) perSecond() float64 {
	if r.elapsed <= 0 {
		return 0
	}
	return float64(len(r.latencies)) / r.elapsed.Seconds()
}

package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/bench/internal/process"
)

// samples is how many answers of a round are parsed and compared.
const samples = 5

// round is what one turn of one gateway gave.
type round struct {
	latencies []time.Duration
	firsts    []time.Duration
	chunks    int64
	errors    int64
	firstErr  string
	texts     []string
	noUsage   int64
	elapsed   time.Duration
	cpu       process.Usage // used in the round; RSS at its end
}

// runRound warms a gateway up and measures one round.
func runRound(ctx context.Context, g Gateway, c *client, p Plan, mode Mode) (round, error) {
	warm := p
	warm.Requests, warm.Rate = p.Warmup, 0
	if p.Warmup > 0 {
		drive(ctx, c, warm, mode)
	}
	before, err := process.Read(g.PIDs)
	if err != nil {
		return round{}, err
	}
	r := drive(ctx, c, p, mode)
	after, err := process.Read(g.PIDs)
	if err != nil {
		return round{}, err
	}
	r.cpu = after
	r.cpu.User -= before.User
	r.cpu.System -= before.System
	return r, ctx.Err()
}

// drive sends the requests of a plan. Paced, a request's latency begins when it
// was due and not when a client was free for it: a gateway that falls behind
// cannot hide it.
func drive(ctx context.Context, c *client, p Plan, mode Mode) round {
	ctx, cancel := context.WithTimeout(ctx, p.Duration+p.Timeout)
	defer cancel()
	start := time.Now()
	var next atomic.Int64
	parts := make([]round, p.Clients)
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			for ctx.Err() == nil {
				n := next.Add(1) - 1
				due := start
				if p.Rate > 0 {
					due = start.Add(time.Duration(float64(n) / p.Rate * float64(time.Second)))
				}
				if n >= int64(p.Requests) || time.Since(start) >= p.Duration || due.Sub(start) >= p.Duration || !sleep(ctx, due) {
					return
				}
				if p.Rate == 0 {
					due = time.Now()
				}
				parts[i].one(ctx, c, mode, due, n < samples)
			}
		})
	}
	wg.Wait()
	r := merge(parts)
	r.elapsed = time.Since(start)
	return r
}

func sleep(ctx context.Context, until time.Time) bool {
	d := time.Until(until)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (r *round) one(ctx context.Context, c *client, mode Mode, due time.Time, sample bool) {
	lag := time.Since(due)
	a, err := c.send(ctx, mode, sample)
	if err != nil {
		r.errors++
		if r.firstErr == "" {
			r.firstErr = err.Error()
		}
		return
	}
	r.latencies = append(r.latencies, time.Since(due))
	r.chunks += int64(a.chunks)
	if mode == Stream {
		r.firsts = append(r.firsts, a.first+lag)
	}
	if sample {
		r.texts = append(r.texts, a.text)
		if !a.usage {
			r.noUsage++
		}
	}
}

func merge(parts []round) round {
	var sum round
	for _, r := range parts {
		sum.latencies = append(sum.latencies, r.latencies...)
		sum.firsts = append(sum.firsts, r.firsts...)
		sum.texts = append(sum.texts, r.texts...)
		sum.chunks += r.chunks
		sum.errors += r.errors
		sum.noUsage += r.noUsage
		if sum.firstErr == "" {
			sum.firstErr = r.firstErr
		}
	}
	return sum
}

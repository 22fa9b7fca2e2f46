package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

var update = flag.Bool("update", false, "write what the suites measured into the documentation")

// together is how many cells run at once. Most of them wait most of the time.
const together = 12

// TestFaults asks providers that misbehave in every way that there is, and
// prints what came of it.
func TestFaults(t *testing.T) {
	providers := newProviders(t)
	period, lasts := flapPeriod, flapTime
	if *update {
		period, lasts = longFlapPeriod, longFlapTime
	}
	for _, p := range providers {
		p.host.Delay, p.host.Period = slowness, period
	}
	all := cells()
	d := deploy(t, false, faultsConfig(all, providers))
	clients := map[string]sdk{}
	for _, s := range sdks(d) {
		clients[s.name] = s
	}
	asked := func(model string) int {
		n := 0
		for _, p := range providers {
			n += p.host.Asked(model)
		}
		return n
	}
	results := make([]*result, len(all))
	var flaps []*flapping
	var group sync.WaitGroup
	group.Go(func() { flaps = flap(clients["openai chat"], providers, lasts) })
	light, heavy := make(chan struct{}, together), make(chan struct{}, 1)
	for i, c := range all {
		places := light
		if c.heavy {
			places = heavy
		}
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			results[i] = c.run(clients[c.client], asked)
		})
	}
	group.Wait()
	for _, r := range results {
		if r.err == nil {
			r.err = d.metered(r)
		}
		if r.err != nil {
			t.Errorf("%s", r)
		}
	}
	for _, f := range flaps {
		if err := f.judge(int(lasts / period / 2)); err != nil {
			t.Errorf("flapping, %s: %v", f.dialect, err)
		}
	}
	t.Logf("%s\n%s", scorecard(results), flapLines(flaps, lasts))
	if *update {
		text := page(results, flapLines(flaps, lasts))
		if err := os.WriteFile(filepath.Join("..", "..", "..", "docs", "faults.md"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// metered checks that the ledger has one row for each attempt, and that only a
// whole answer is billed as one.
func (d *deployment) metered(r *result) error {
	rows := d.rows(r.request)
	if len(rows) != r.own+r.other {
		return fmt.Errorf("%d rows in the ledger for %d+%d attempts", len(rows), r.own, r.other)
	}
	good := 0
	for _, row := range rows {
		if row.GetRecord().GetOutcome() == billingv1.Outcome_OUTCOME_SUCCEEDED {
			good++
			if row.GetRecord().GetUsage().GetSource() != llmv1.UsageSource_USAGE_SOURCE_PROVIDER {
				return fmt.Errorf("the usage of the answer is not the provider's: %v", row)
			}
		}
	}
	if whole := r.got == passed || r.got == rescued; whole && good != 1 || !whole && good != 0 {
		return fmt.Errorf("%d rows that succeeded, for a request that was %s", good, r.got)
	}
	return nil
}

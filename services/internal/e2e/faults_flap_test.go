package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// Flapping, in short: the same ups and downs take a minute where the results
// are written down.
const (
	flapPeriod     = time.Second
	flapTime       = 8 * time.Second
	longFlapPeriod = 5 * time.Second
	longFlapTime   = time.Minute
)

// flapping is what came of requests to a provider that is down and up by turns.
type flapping struct {
	dialect                 string
	requests, wrong         int
	own, failed, substitute int
	worst                   time.Duration
	first                   error // the first that went wrong
}

// flapConfig writes a target that flaps and its fallback, for each dialect. What
// is left alone is so for a quarter of a period, so that the end of each is noticed.
func flapConfig(providers map[string]*provider) (targets, routes string) {
	for _, dialect := range dialects {
		p := providers[dialect]
		targets += fmt.Sprintf("  - {name: flap-%s, %s, models: \"*\", retries: 1, timeouts: %s, slow_start: %[4]s, "+
			"breaker: {window: 2s, min_calls: 5, open_for: %[4]s, max_open: %[5]s}, outlier: {ejection_time: %[4]s, max_ejection_time: %[5]s}}\n",
			dialect, p.config, patient, p.host.Period/4, p.host.Period/2)
		targets += fmt.Sprintf("  - {name: calm-%s, %s, models: \"*\", retries: 1, timeouts: %s}\n", dialect, p.config, patient)
		routes += fmt.Sprintf("  - {model: %q, targets: [{name: flap-%s, model: %q}, {name: calm-%s, model: %q}]}\n",
			flapModel(dialect), dialect, flapModel(dialect)+"~"+providertest.Flapping, dialect, flapModel(dialect))
	}
	return targets, routes
}

func flapModel(dialect string) string { return "flap." + dialect }

// flap asks for a while, two at once for each dialect.
func flap(client sdk, providers map[string]*provider, lasts time.Duration) []*flapping {
	var out []*flapping
	var group sync.WaitGroup
	for _, dialect := range dialects {
		f := &flapping{dialect: dialect}
		out = append(out, f)
		var mu sync.Mutex
		for worker := range 2 {
			group.Go(func() {
				for began := time.Now(); time.Since(began) < lasts; time.Sleep(20 * time.Millisecond) {
					took, err := flapOnce(client, flapModel(dialect), worker == 0)
					mu.Lock()
					f.requests++
					f.worst = max(f.worst, took)
					if err != nil {
						f.wrong++
						f.first = err
					}
					mu.Unlock()
				}
			})
		}
	}
	group.Wait()
	for _, f := range out {
		host := providers[f.dialect].host
		f.own, f.substitute = host.Asked(flapModel(f.dialect)+"~"+providertest.Flapping), host.Asked(flapModel(f.dialect))
		f.failed = f.own - (f.requests - f.substitute)
	}
	return out
}

func flapOnce(client sdk, model string, stream bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	began := time.Now()
	got, err := client.ask(ctx, model, question{text: "one two three", stream: stream})
	return time.Since(began), expect(got, err, outcome{Text: "You said: one two three"})
}

// judge says what is wrong: a request that went wrong, a target that was not
// used when it was well again, ups times, or one that was asked again and again
// while it was not.
func (f *flapping) judge(ups int) error {
	switch {
	case f.wrong > 0:
		return fmt.Errorf("%d of %d went wrong: %w", f.wrong, f.requests, f.first)
	case f.requests-f.substitute < ups:
		return fmt.Errorf("the target answered %d of %d, though it was well %d times", f.requests-f.substitute, f.requests, ups)
	case f.substitute == 0 || f.failed == 0:
		return fmt.Errorf("nothing failed in %d requests", f.requests)
	case f.failed > f.requests/3:
		return fmt.Errorf("%d attempts failed in %d requests: the breaker spares nobody", f.failed, f.requests)
	}
	return nil
}

// flapLines are the lines of the scorecard.
func flapLines(all []*flapping, lasted time.Duration) string {
	var out []string
	for _, f := range all {
		out = append(out, fmt.Sprintf("flapping for %s, %s: %d requests, %d wrong; %d answered by the target, %d by the fallback; %d attempts failed; the slowest took %d ms",
			lasted, f.dialect, f.requests, f.wrong, f.requests-f.substitute, f.substitute, f.failed, f.worst.Milliseconds()))
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

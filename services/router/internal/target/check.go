package target

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/fault"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// checks asks a target regularly whether it works, and tells its monitors.
type checks struct {
	config   health.Check
	prober   provider.Prober
	monitors *health.Group
	faults   *fault.Switch // a drill strikes checks, too
	stop     context.CancelFunc
	done     chan struct{}
	failed   int
}

// newChecks begins to check a target; nil if nobody wants that, or it cannot be.
func newChecks(t *Target) *checks {
	prober, ok := t.Adapter.(provider.Prober)
	config := t.Health.WithDefaults().Check
	if !ok || config.Interval == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &checks{config: config, faults: t.Faults, prober: prober, monitors: t.Monitors, stop: stop, done: make(chan struct{})}
	go c.run(ctx)
	return c
}

// Close ends the checks and waits for the one under way.
func (c *checks) Close() error {
	c.stop()
	<-c.done
	return nil
}

// run checks until it is stopped. The first check comes at a random time, so
// that replicas and targets do not ask in step.
func (c *checks) run(ctx context.Context) {
	defer close(c.done)
	interval := c.config.Interval.Std()
	timer := time.NewTimer(rand.N(interval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(interval)
		bounded, cancel := context.WithTimeout(ctx, c.config.Timeout.Std())
		err := c.prober.Probe(c.faults.Context(bounded), c.config.Model)
		silent := bounded.Err() != nil
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.take(err, silent)
	}
}

// take tells the monitors what a check has found, once that is sure.
func (c *checks) take(err error, silent bool) {
	reason, known := c.fault(err, silent)
	if !known {
		return
	}
	if reason == "" {
		c.failed = 0
		c.monitors.Recover(time.Now(), c.config.Model)
		return
	}
	c.failed++
	if c.failed >= c.config.Failures {
		next := c.config.Interval.Std() + c.config.Timeout.Std() + time.Second
		c.monitors.Fail(time.Now(), c.config.Model, reason, next)
	}
}

// fault says what is wrong with the target, empty if nothing is, and whether
// that is known. One that limits us, or answers that it lists no models, works.
func (c *checks) fault(err error, silent bool) (reason string, known bool) {
	var e *errs.Error
	switch {
	case err == nil:
		return "", true
	case silent:
		return fmt.Sprintf("no answer within %s", c.config.Timeout), true
	case !errors.As(err, &e):
		return "no answer", true
	}
	switch e.Reason {
	case llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED:
		return "", true
	case llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED:
		return "", false
	case llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND:
		if c.config.Model == "" {
			return "", true
		}
	case llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH:
		return "the target refuses our credential", true
	}
	return e.Message, true
}

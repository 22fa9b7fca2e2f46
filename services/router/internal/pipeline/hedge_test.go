package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// Two targets are asked, one answers. The hold is released by the record that
// is written last, which is the loser's if it does not let go at once; and a
// process that died before would leave two records that both release it.
func TestHedgedRequestsAreSettled(t *testing.T) {
	for name, streams := range map[string]bool{"streamed": true, "whole": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.route.Hedge = route.Hedge{After: route.Patience{Time: config.Duration(time.Second)}}
				w.model.onAsk = func(*model, *provider.Request) { time.Sleep(20 * time.Second) }
				ctx, begin := t.Context(), time.Now()
				c := &client{t: t, recorder: w.recorder}
				var err error
				if streams {
					err = w.pipeline().Stream(ctx, w.call("hello"), c)
				} else {
					_, err = w.pipeline().Generate(ctx, w.call("hello"))
				}
				if err != nil || time.Since(begin) != time.Second {
					t.Fatalf("%v after %v", err, time.Since(begin))
				}
				if streams && (c.text != "from the second" || c.finished.GetTarget() != "b" || c.finished.GetAttempts() != 2) {
					t.Errorf("%q, %v", c.text, c.finished)
				}
				w.recorder.mu.Lock()
				if len(w.recorder.final) != 1 || w.recorder.final[0].GetLast() {
					t.Errorf("while the loser runs: %v", w.recorder.final)
				}
				w.recorder.mu.Unlock()
				time.Sleep(20 * time.Second)
				synctest.Wait()
				w.settled()
				winner, loser := w.recorder.final[0], w.recorder.final[1]
				if winner.GetMetadata()["tollgate.role"] != "hedge" || loser.GetMetadata()["tollgate.role"] != "" || loser.GetOutcome() != billingv1.Outcome_OUTCOME_CANCELLED {
					t.Errorf("winner %v, loser %v", winner, loser)
				}
				if w.model.live != 0 {
					t.Error("the loser's reader is open")
				}
			})
		})
	}
}

// Both are left when the client goes.
func TestAClientLeavesAHedgedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.route.Hedge = route.Hedge{After: route.Patience{Time: config.Duration(time.Second)}}
		slow := func(*model, *provider.Request) { time.Sleep(3 * time.Second) }
		w.model.onAsk, w.second.onAsk = slow, slow
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_ = w.pipeline().Stream(ctx, w.call("hello"), &client{t: t, recorder: w.recorder})
		time.Sleep(10 * time.Second)
		synctest.Wait()
		w.settled()
		if len(w.recorder.final) != 2 {
			t.Errorf("%d rows", len(w.recorder.final))
		}
	})
}

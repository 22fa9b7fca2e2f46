package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// TestKillLosesNothing kills processes under load as a power cut would, and
// then holds the ledger against what clients were answered.
func TestKillLosesNothing(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			up := newUpstream(t)
			d := deploy(t, s.split, up.config())
			victims := []string{"all"}
			if s.split {
				victims = []string{"billing", "router"}
			}
			load := d.startLoad(6)
			for _, victim := range victims {
				load.waitForMore(t, 60)
				d.kill(victim)
				time.Sleep(300 * time.Millisecond)
				d.start(victim)
				d.waitReady()
				load.waitForMore(t, 60)
			}
			answered := load.stop()
			t.Logf("%d requests were answered", len(answered))
			for _, id := range answered {
				rows := d.rows(id)
				if len(rows) != 1 || rows[0].GetRecord().GetOutcome() != billingv1.Outcome_OUTCOME_SUCCEEDED {
					t.Errorf("request %s has %d rows, want one that succeeded: %v", id, len(rows), rows)
				}
			}
		})
	}
}

// load is clients that ask all the time and note what was answered whole.
type load struct {
	cancel   context.CancelFunc
	workers  sync.WaitGroup
	mu       sync.Mutex
	answered []string
	count    atomic.Int64
}

func (d *deployment) startLoad(clients int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	d.t.Cleanup(func() { l.stop() })
	for worker := range clients {
		l.workers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				id, ok := d.tryAsk(ctx, fmt.Sprintf("worker %d question %d", worker, n), n%2 == 1)
				if !ok {
					time.Sleep(20 * time.Millisecond)
					continue
				}
				l.mu.Lock()
				l.answered = append(l.answered, id)
				l.mu.Unlock()
				l.count.Add(1)
			}
		})
	}
	return l
}

// tryAsk reports the request's id if the answer came whole.
func (d *deployment) tryAsk(ctx context.Context, question string, stream bool) (string, bool) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/v1/chat/completions", chatBody(d.t, modelPlain, question, stream))
	if err != nil {
		return "", false
	}
	req.Header.Set("Authorization", "Bearer "+d.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || stream && !isComplete(string(body)) {
		return "", false
	}
	return resp.Header.Get("x-tollgate-request-id"), true
}

func (l *load) waitForMore(t *testing.T, n int64) {
	t.Helper()
	target := l.count.Load() + n
	deadline := time.Now().Add(60 * time.Second)
	for l.count.Load() < target {
		if time.Now().After(deadline) {
			t.Fatalf("only %d requests were answered in a minute", l.count.Load())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (l *load) stop() []string {
	l.cancel()
	l.workers.Wait()
	return l.answered
}

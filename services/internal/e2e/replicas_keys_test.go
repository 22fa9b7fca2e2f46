package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/internal/platform/valkeytest"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// A key has its rate once, at whichever router its requests arrive: before, while
// and after Valkey is away.
func TestReplicasKeepTheRateOfAKey(t *testing.T) {
	valkey, up := valkeytest.Start(t), providertest.New(t)
	both := twoRouters(t, valkey, up, "")
	const rate = 60
	_, secret := both[0].newKey(&accountv1.Key{DisplayName: "limited", RequestsPerMinute: rate})
	_, other := both[0].newKey(&accountv1.Key{DisplayName: "other", RequestsPerMinute: rate})
	ask := func(key string, n int) int {
		var ok atomic.Int64
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				resp := both[i%2].do(context.Background(), key, http.MethodPost, "/v1/chat/completions", chatBody(t, "m", "hello", false))
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				switch {
				case resp.StatusCode == http.StatusOK:
					ok.Add(1)
				case resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" ||
					!strings.Contains(string(body), fmt.Sprintf("limit of %d requests per minute", rate)):
					t.Errorf("status %d: %s", resp.StatusCode, body)
				}
			})
		}
		wg.Wait()
		return int(ok.Load())
	}
	began := time.Now()
	if got := ask(other, 3*rate); got != rate {
		t.Errorf("two routers granted %d requests of %d a minute", got, rate)
	}
	before := ask(secret, rate/3)
	valkey.Stop(t)
	during := ask(secret, rate/3)
	valkey.Restart(t)
	for _, d := range both {
		d.awaitLog("routers share quotas and circuits", 2)
	}
	time.Sleep(1200 * time.Millisecond) // until both know that the other is back
	after := ask(secret, 2*rate)
	t.Logf("granted %d before, %d during, %d after the outage, in %v", before, during, after, time.Since(began))
	if before != rate/3 || during == 0 || before+during+after != rate || up.Asked("m") != 2*rate {
		t.Errorf("the provider was asked %d times", up.Asked("m"))
	}
}

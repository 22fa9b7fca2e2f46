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

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/valkeytest"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// Models of the replicas' routes.
const (
	modelBroken  = providertest.Unavailable // its circuit opens
	modelLimited = "limited"                // behind a target with few requests a minute
	modelSteady  = "steady"                 // behind one with as many as anyone asks
)

// limitOf is the requests a minute of the limited target.
const limitOf = 60

// replicas are two whole deployments that share a Valkey and the providers.
func replicas(t *testing.T, valkey *valkeytest.Server, limited *providertest.Server) []*deployment {
	t.Helper()
	plain := providertest.New(t)
	config := fmt.Sprintf(`
targets:
  - {name: broken, provider: openai-compatible, base_url: %q, models: "*", retries: 0}
  - {name: limited, provider: openai-compatible, base_url: %q, models: "*", retries: 0, limits: {requests_per_minute: %d}}
  - {name: steady, provider: openai-compatible, base_url: %q, models: "*", retries: 0, limits: {requests_per_minute: 1000000, tokens_per_minute: 10000000000}}
routes:
  - {model: %s, targets: [broken]}
  - {model: %s, targets: [limited]}
  - {model: %s, targets: [steady]}
router: {valkey: {addr: %q, password: %q}}
`, plain.BaseURL(), limited.BaseURL(), limitOf, plain.BaseURL(), modelBroken, modelLimited, modelSteady, valkey.Addr, valkey.Password)
	metrics := fmt.Sprintf("telemetry: {metrics_addr: %q}", freeAddr(t))
	other := fmt.Sprintf("telemetry: {metrics_addr: %q}", freeAddr(t))
	both := []*deployment{deploy(t, false, config, metrics), deploy(t, false, config, other)}
	for _, d := range both {
		d.awaitLog("routers share quotas and circuits", 1)
	}
	time.Sleep(600 * time.Millisecond) // until each has heard of the other
	return both
}

// awaitLog waits until the log says something so many times.
func (d *deployment) awaitLog(text string, times int) {
	d.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	p := d.processes["all"]
	if d.split {
		p = d.processes["router"]
	}
	for strings.Count(p.output.tail(1<<20), text) < times {
		if time.Now().After(deadline) {
			d.t.Fatalf("the log does not say %q %d times", text, times)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// status asks a model and returns what the answer's status is.
func (d *deployment) status(model string) (int, string) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, d.url+"/v1/chat/completions", chatBody(d.t, model, "hello", false))
	if err != nil {
		return 0, err.Error()
	}
	req.Header.Set("Authorization", "Bearer "+d.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// circuit is what ListTargets says of a model.
func (d *deployment) circuit(target, model string) routerv1.ModelHealth_Circuit {
	d.t.Helper()
	var list routerv1.ListTargetsResponse
	d.rest(http.MethodGet, "/api/v1/targets", nil, &list)
	for _, t := range list.GetTargets() {
		if !strings.HasSuffix(t.GetName(), "/"+target) && t.GetName() != target {
			continue
		}
		for _, m := range t.GetHealth().GetModels() {
			if m.GetModel() == model {
				return m.GetCircuit()
			}
		}
	}
	return routerv1.ModelHealth_CIRCUIT_UNSPECIFIED
}

// A breaker that one replica's requests open is open on the other within a second.
func TestReplicasAgreeOnCircuits(t *testing.T) {
	valkey := valkeytest.Start(t)
	both := replicas(t, valkey, providertest.New(t))
	deadline := time.Now().Add(30 * time.Second)
	for both[0].circuit("broken", modelBroken) != routerv1.ModelHealth_CIRCUIT_OPEN {
		if time.Now().After(deadline) {
			t.Fatal("the circuit does not open")
		}
		both[0].status(modelBroken)
	}
	opened := time.Now()
	for both[1].circuit("broken", modelBroken) != routerv1.ModelHealth_CIRCUIT_OPEN {
		if time.Since(opened) > time.Second {
			t.Fatalf("after a second the other replica shows %v", both[1].circuit("broken", modelBroken))
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("the other replica agreed after %v", time.Since(opened))
}

// Requests that are split over both never exceed the target's limit, before,
// while and after Valkey is away.
func TestReplicasKeepTheLimit(t *testing.T) {
	valkey := valkeytest.Start(t)
	limited := providertest.New(t)
	both := replicas(t, valkey, limited)
	ask := func(n int) (granted int) {
		var ok atomic.Int64
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				switch status, body := both[i%2].status(modelLimited); status {
				case http.StatusOK:
					ok.Add(1)
				case http.StatusTooManyRequests:
				default:
					t.Errorf("status %d: %s", status, body)
				}
			})
		}
		wg.Wait()
		return int(ok.Load())
	}
	before := ask(limitOf / 3)
	valkey.Stop(t)
	during := ask(limitOf / 3)
	valkey.Restart(t)
	for _, d := range both {
		d.awaitLog("routers share quotas and circuits", 2)
	}
	time.Sleep(1200 * time.Millisecond) // until both know that the other is back
	after := ask(2 * limitOf)
	t.Logf("granted %d before, %d during, %d after the outage", before, during, after)
	if before != limitOf/3 || during == 0 || before+during+after != limitOf || limited.Asked(modelLimited) != limitOf {
		t.Errorf("the provider was asked %d times, the limit is %d", limited.Asked(modelLimited), limitOf)
	}
}

// No request fails because Valkey goes away and comes back under load.
func TestReplicasSurviveValkey(t *testing.T) {
	valkey := valkeytest.Start(t)
	both := replicas(t, valkey, providertest.New(t))
	var asked atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for ctx.Err() == nil {
				if status, body := both[i%2].status(modelSteady); status != http.StatusOK {
					t.Errorf("status %d: %s", status, body)
				}
				asked.Add(1)
			}
		})
	}
	defer wg.Wait()
	defer cancel()
	more := func(n int64) {
		t.Helper()
		want, deadline := asked.Load()+n, time.Now().Add(30*time.Second)
		for asked.Load() < want {
			if time.Now().After(deadline) {
				t.Fatal("requests do not end")
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	for round, outage := range []struct{ begin, end func(testing.TB) }{{valkey.Stop, valkey.Restart}, {valkey.Freeze, valkey.Thaw}} {
		more(60)
		outage.begin(t)
		for _, d := range both {
			d.awaitLog("this router goes on alone", round+1)
		}
		more(60)
		outage.end(t)
		for _, d := range both {
			d.awaitLog("routers share quotas and circuits", round+2)
		}
	}
	more(60)
	t.Logf("%d requests were answered", asked.Load())
}

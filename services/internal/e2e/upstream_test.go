package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// Models of the routes that every deployment has.
const (
	modelPlain    = "gpt-4o-mini" // answered by the fake provider
	modelTools    = "tools"
	modelEmbed    = "embed"
	modelEnriched = "enriched" // the same, with the handbook's context
	modelLeaky    = "leaky"    // the answer holds what must not reach the client
	modelSlow     = "slow"     // the answer takes half a minute
	modelBuiltin  = "builtin"  // the builtin answerer, with the handbook's context
	modelFailover = "failover" // the same, behind a target where nothing listens
)

const (
	leakedEmail = "olga.sidorova@example.com"
	leakedCard  = "4111 1111 1111 1111"
)

// upstream is the providers of a deployment.
type upstream struct {
	plain, leaky, slow *providertest.Server
	dead               string
}

func newUpstream(t *testing.T) *upstream {
	t.Helper()
	u := &upstream{plain: providertest.New(t), leaky: providertest.New(t), slow: providertest.New(t)}
	u.plain.Key = "sk-upstream"
	u.leaky.Answer = func(*providertest.Recorded) string {
		return "Of course. Write to " + leakedEmail + " and pay with " + leakedCard + " before Friday, please."
	}
	u.slow.Answer = func(*providertest.Recorded) string { return strings.Repeat("one more word ", 100) }
	u.slow.Pace = 100 * time.Millisecond
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.dead = "http://" + lis.Addr().String() + "/v1"
	lis.Close()
	return u
}

// config is the targets and routes, as YAML.
func (u *upstream) config() string {
	return fmt.Sprintf(`
targets:
  - {name: fake, provider: openai, base_url: %q, api_key: sk-upstream, models: [%s, %s, %s, %s]}
  - {name: leaky, provider: openai-compatible, base_url: %q, models: "*"}
  - {name: slow, provider: openai-compatible, base_url: %q, models: "*"}
  - {name: dead, provider: openai-compatible, base_url: %q, models: "*", retries: 1}
  - {name: builtin, provider: builtin, models: "*"}
routes:
  - {model: %s, targets: [fake]}
  - {model: %s, targets: [fake]}
  - {model: %s, targets: [fake]}
  - {model: %s, targets: [fake], collections: [collections/handbook]}
  - {model: %s, targets: [leaky]}
  - {model: %s, targets: [slow]}
  - {model: %s, targets: [builtin], collections: [collections/handbook]}
  - {model: %s, targets: [dead, builtin], collections: [collections/handbook]}
`, u.plain.BaseURL(), modelPlain, modelTools, modelEmbed, modelEnriched, u.leaky.BaseURL(), u.slow.BaseURL(), u.dead,
		modelPlain, modelTools, modelEmbed, modelEnriched, modelLeaky, modelSlow, modelBuiltin, modelFailover)
}

// lastBody is what the provider saw last for a model.
func (u *upstream) lastBody(model string) string {
	requests := u.plain.Requests()
	for i := len(requests) - 1; i >= 0; i-- {
		if requests[i].Model == model {
			return string(requests[i].Body)
		}
	}
	return ""
}

func (u *upstream) count() int { return len(u.plain.Requests()) }

// waitCancelled says how long after a moment the request was given up.
func (u *upstream) waitCancelled(t *testing.T, since time.Time) time.Duration {
	t.Helper()
	at, ok := u.slow.Last().AwaitCancelled(10 * time.Second)
	if !ok {
		t.Fatal("the provider's request was never cancelled")
	}
	return at.Sub(since)
}

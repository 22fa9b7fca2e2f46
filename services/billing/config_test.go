package billing_test

import (
	"errors"
	"strings"
	"testing"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing"
	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestConfigFaults(t *testing.T) {
	cfg := billing.DefaultConfig()
	file := []byte(`
durability: fast
unpriced: ignore
pepper: short
holds: {ttl: 2h, max_ttl: 1h}
prices:
  - provider: openai
    model: house-model
    rows:
      - usd_per_million: {input: 2.50, output: 10, cached: 1}
      - usd_per_million: {input: -1}
        mode: warp
`)
	err := config.Parse(file, func(string) (string, bool) { return "", false }, &cfg)
	var faults config.Faults
	if !errors.As(err, &faults) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"durability", "unpriced", "pepper", "holds.max_ttl", "prices[0].rows[0].usd_per_million.cached",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no fault of %s in\n%v", want, err)
		}
	}
}

func TestOperatorsOwnPrices(t *testing.T) {
	cfg := billing.DefaultConfig()
	file := []byte(`
prices:
  - provider: openai-compatible
    model: "*"
    rows:
      - usd_per_million: {input: 0.05, output: "0.10"}
`)
	if err := config.Parse(file, func(string) (string, bool) { return "", false }, &cfg); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(c *billing.Config) { *c = cfg })
	answer, err := w.billing.PriceUsage(w.admin, &billingv1.PriceUsageRequest{
		PricedModel: &billingv1.PricedModel{Provider: "openai-compatible", Model: "anything"},
		Usage:       &llmv1.Usage{InputTokens: 1_000_000, OutputTokens: 1_000_000},
	})
	if err != nil || answer.GetCostNanousd() != 150_000_000 {
		t.Errorf("got %v, %v", answer, err)
	}
}

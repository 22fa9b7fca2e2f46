package router

import (
	"testing"
	"time"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// The cheapest target answers, as soon as prices are known: an explanation
// waits for them, a request does not.
func TestLowestCostThroughBilling(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Targets = []Target{
		{Name: "a", Provider: "echo", Models: provider.NewModels("dear")},
		{Name: "b", Provider: "echo", Models: provider.NewModels("cheap")},
	}
	cfg.Routes = []Route{{Model: "m", Strategy: "lowest-cost", Targets: []route.Ref{
		{Name: "a", Model: "dear", Weight: 1}, {Name: "b", Model: "cheap", Weight: 1},
	}}}
	_, client, _ := start(t, cfg)
	explained, err := client.ExplainRoute(t.Context(), &routerv1.ExplainRouteRequest{Conversation: conversation("m", "Hello")})
	if err != nil {
		t.Fatal(err)
	}
	first, second := explained.GetDecision().GetCandidates()[0], explained.GetDecision().GetCandidates()[1]
	if first.GetTarget() != "b" || first.GetLikelyCostNanousd() == 0 || second.GetLikelyCostNanousd() != 100*first.GetLikelyCostNanousd() {
		t.Errorf("first %v, second %v", first, second)
	}
	if first.GetExpectedCostNanousd() <= first.GetLikelyCostNanousd() {
		t.Errorf("at worst it costs %d, likely %d", first.GetExpectedCostNanousd(), first.GetLikelyCostNanousd())
	}
	answer, err := client.Generate(t.Context(), &routerv1.GenerateRequest{
		Conversation: conversation("m", "Hello"), Options: &routerv1.RequestOptions{IncludeDecision: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if target := answer.GetReport().GetTarget(); target != "b" {
		t.Errorf("%s answered: %v", target, answer.GetReport().GetDecision())
	}
}

// A request that nobody has asked for prices of goes by the list, and those
// after it by prices.
func TestPricesComeInTheBackground(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Targets = []Target{{Name: "a", Provider: "echo", Models: provider.NewModels("dear", "cheap")}}
	cfg.Routes = []Route{{Model: "m", Strategy: "cascade", Targets: []route.Ref{
		{Name: "a", Model: "dear", Weight: 1}, {Name: "a", Model: "cheap", Weight: 1},
	}}}
	_, client, _ := start(t, cfg)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		answer, err := client.Generate(t.Context(), &routerv1.GenerateRequest{
			Conversation: conversation("m", "Hello"), Options: &routerv1.RequestOptions{IncludeDecision: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		first := answer.GetReport().GetDecision().GetCandidates()[0]
		if first.GetModel() == "cheap" && first.GetLikelyCostNanousd() > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still %v", first)
		}
	}
}

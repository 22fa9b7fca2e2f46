package target

import (
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

type adapter struct{ provider.Adapter }

// A change of the configuration must not drop connections of targets that it
// does not touch, nor keep an old credential of one that it does.
func TestBuildKeepsWhatIsTheSame(t *testing.T) {
	made := 0
	kinds := map[string]Kind{"p": {New: func(provider.Target) (provider.Adapter, error) { made++; return &adapter{}, nil }, Lacks: capability.Images}}
	retries := func(n int) *int { return &n }
	cfg := func(key string) []provider.Target {
		return []provider.Target{
			{Name: "same", Provider: "p", Models: provider.NewModels("a", "*"), APIKey: secret.New("k"), Retries: retries(1)},
			{Name: "other", Provider: "p", APIKey: secret.New(key)},
		}
	}
	first, err := Build(cfg("old"), kinds, nil)
	if err != nil || made != 2 {
		t.Fatal(made, err)
	}
	second, err := Build(cfg("new"), kinds, first)
	if err != nil || made != 3 {
		t.Fatalf("%d adapters were made: %v", made, err)
	}
	if second[0].Adapter != first[0].Adapter || second[1].Adapter == first[1].Adapter {
		t.Error("the wrong adapter was kept")
	}
	if second[0].Monitors != first[0].Monitors || second[1].Monitors != first[1].Monitors {
		t.Error("health was forgotten")
	}
	if second[0].Lacks != capability.Images || second[0].Timeouts != provider.DefaultTimeouts {
		t.Errorf("target %+v", second[0])
	}
	if _, err := Build([]provider.Target{{Name: "x", Provider: "q"}}, kinds, nil); err == nil {
		t.Error("an unknown provider was built")
	}
}

func TestKindsShapeTheirTargets(t *testing.T) {
	kinds := map[string]Kind{
		"p": {
			New: func(provider.Target) (provider.Adapter, error) { return &adapter{}, nil }, Dialect: "openai", Also: []string{"responses"},
		},
		"own": {New: func(provider.Target) (provider.Adapter, error) { return &adapter{}, nil }},
	}
	built, err := Build([]provider.Target{
		{Name: "plain", Provider: "p"},
		{Name: "elsewhere", Provider: "p", Quirks: provider.Quirks{TopK: true, Reasoning: "reasoning", Thinking: "reasoning_details"}},
		{Name: "canonical", Provider: "own"},
	}, kinds, nil)
	if err != nil {
		t.Fatal(err)
	}
	plain, elsewhere, canonical := built[0], built[1], built[2]
	quirks := capability.TopK | capability.ReasoningBudget | capability.ThinkingHistory | capability.UnsignedThinking
	if !plain.Wire.Has(quirks) || elsewhere.Wire&quirks != capability.None || !elsewhere.Wire.Has(capability.CachePoints) || canonical.Wire != capability.None {
		t.Errorf("wires lack %v; %v; %v", plain.Wire, elsewhere.Wire, canonical.Wire)
	}
	for dialect, want := range map[string]bool{"openai": true, "responses": true, "anthropic": false, "": false} {
		if plain.Passes(dialect) != want {
			t.Errorf("%q passes: %v", dialect, !want)
		}
	}
	if canonical.Passes("") || canonical.Passes("openai") {
		t.Error("a native request passes to one who reads the canonical form")
	}
}

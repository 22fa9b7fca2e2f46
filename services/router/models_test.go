package router

import (
	"context"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// What the configuration says of a model is shown, holds for requests, and
// changes without a restart.
func TestModelsOfTheConfiguration(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Targets = []Target{{Name: "echo", Provider: "echo", Models: provider.NewModels("tiny"), BaseURL: "http://127.0.0.1:1"}}
	cfg.Routes = nil
	cfg = cfg.withTargets()
	cfg.Models = []catalog.Entry{{Name: "tiny", Context: 100, Output: 50, Family: "small", Retires: "2027-01-31"}}
	s, client, _ := start(t, cfg)
	ctx := context.Background()
	listed, err := client.ListModels(ctx, &routerv1.ListModelsRequest{})
	if err != nil || len(listed.GetModels()) != 1 {
		t.Fatalf("%v, %v", listed, err)
	}
	m := listed.GetModels()[0]
	if m.GetContextTokens() != 100 || m.GetOutputTokens() != 50 || m.GetFamily() != "small" || m.GetRetireDate() != "2027-01-31" {
		t.Errorf("model %v", m)
	}
	long := &routerv1.GenerateRequest{Conversation: conversation("tiny", strings.Repeat("word ", 500))}
	if _, err := client.Generate(ctx, long); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED) {
		t.Errorf("too long a conversation: %v", err)
	}
	cfg.Models[0].Context = 10_000
	if err := s.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Generate(ctx, long); err != nil {
		t.Errorf("with a larger context: %v", err)
	}
}

func TestFaultsOfModels(t *testing.T) {
	c := DefaultConfig()
	c.Models = []catalog.Entry{{Name: "x", Lacks: []string{"telepathy"}}}
	v := config.NewValidator()
	c.Validate(v.At("router"))
	if err := v.Err(); err == nil || !strings.Contains(err.Error(), "router.models[0].lacks[0]") {
		t.Errorf("%v", err)
	}
}

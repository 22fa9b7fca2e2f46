package target

import (
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// A target that is full turns an attempt away without a trace in its health.
func TestAFullTargetLetsNobodyIn(t *testing.T) {
	kinds := map[string]Kind{"p": {New: func(provider.Target) (provider.Adapter, error) { return &adapter{}, nil }}}
	built, err := Build([]provider.Target{{Name: "t", Provider: "p", Concurrency: concurrency.Config{Max: 1}}}, kinds, nil)
	if err != nil {
		t.Fatal(err)
	}
	full := built[0]
	pass, err := full.Admit(t.Context(), Visit{Model: "m", Tenant: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := full.Admit(t.Context(), Visit{Model: "m", Tenant: "b"}); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_OVERLOADED) {
		t.Fatalf("a second attempt: %v", err)
	}
	if report := full.Report(time.Now()); report.GetInFlight() != 1 || report.GetFailures() != 0 || report.GetConcurrencyLimit() != 1 {
		t.Errorf("report %v", report)
	}
	pass.Leave(health.End{Verdict: health.Good, Time: time.Now()}, 0)
	if _, err := full.Admit(t.Context(), Visit{Model: "m", Tenant: "b"}); err != nil {
		t.Errorf("after the first has left: %v", err)
	}
}

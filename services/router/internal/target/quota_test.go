package target

import (
	"context"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

// What a provider does not grant is not sent, and what an attempt does not use is
// there for the next.
func TestAdmitHoldsToTheQuota(t *testing.T) {
	limits := provider.Limits{Rates: provider.Rates{TokensPerMinute: 100}}
	target := &Target{
		Monitors: health.NewGroup(), Places: concurrency.New(concurrency.Config{}),
		Quota: quota.New(time.Now).Gate("east", limits),
	}
	visit := Visit{Model: "m", Tenant: "t", Tokens: 80}
	pass, err := target.Admit(context.Background(), visit)
	if err != nil {
		t.Fatal(err)
	}
	_, err = target.Admit(context.Background(), visit)
	if e := errs.From(err); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED) || e.RetryAfter <= 0 {
		t.Fatalf("the second: %v", err)
	}
	if n := target.Places.InFlight(); n != 1 {
		t.Errorf("%d places are taken by one attempt", n)
	}
	pass.Leave(health.End{Verdict: health.Good, Time: time.Now()}, 20)
	if _, err := target.Admit(context.Background(), visit); err != nil {
		t.Errorf("what was not used is not there: %v", err)
	}
}

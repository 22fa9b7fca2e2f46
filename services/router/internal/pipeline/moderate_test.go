package pipeline

import (
	"maps"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestModerate(t *testing.T) {
	w := newWorld(t)
	p := w.pipeline()
	ask := func() (*Moderation, error) {
		return p.Moderate(t.Context(), &ModerateCall{
			RequestID: "r", Principal: w.principal, Model: "m", Texts: []string{"a secret", "fine"},
		})
	}
	got, err := ask()
	if err != nil || got.RequestID != "r" || len(got.Scores) != 2 || got.Scores[0]["secrets"] != 1 || got.Scores[1] != nil {
		t.Fatalf("got %+v, %v", got, err)
	}
	if n := len(w.checker.seen); n != 1 || w.checker.seen[0].GetPolicy() != "policies/strict" {
		t.Errorf("asked %v", w.checker.seen)
	}
	// A guardrail that is away never makes a text look clean.
	w.options.GuardrailOpen = true
	w.checker.err = errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "")
	if got, err := ask(); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE) || got != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if len(w.holder.held) > 0 {
		t.Error("budget is held for a moderation")
	}
}

func TestModerationAdds(t *testing.T) {
	w := newWorld(t)
	got, err := w.pipeline().Moderate(t.Context(), &ModerateCall{Principal: w.principal, Texts: []string{"an attack"}})
	if err != nil || !maps.Equal(got.Scores[0], map[string]float64{"injection": 1}) {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestModerateRefuses(t *testing.T) {
	w := newWorld(t)
	p := w.pipeline()
	for reason, caller := range map[llmv1.ErrorReason]*auth.Principal{
		llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:   nil,
		llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED: {},
	} {
		if _, err := p.Moderate(t.Context(), &ModerateCall{Principal: caller, Texts: []string{"a"}}); !errs.Is(err, reason) {
			t.Errorf("got %v, want %v", err, reason)
		}
	}
	if len(w.checker.seen) > 0 {
		t.Error("the guardrail was asked for nobody")
	}
	p.peers.Checker = nil
	if _, err := p.Moderate(t.Context(), &ModerateCall{Principal: w.principal, Texts: []string{"a"}}); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED) {
		t.Errorf("got %v", err)
	}
}

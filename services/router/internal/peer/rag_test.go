package peer

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
)

// rules answers with those of the organisation "ruled".
type rules struct {
	ragv1.UnimplementedRagServiceServer
	asked  atomic.Int32
	refuse error
	on     string
}

func (s *rules) ListContextRules(context.Context, *ragv1.ListContextRulesRequest) (*ragv1.ListContextRulesResponse, error) {
	s.asked.Add(1)
	if s.refuse != nil {
		return nil, s.refuse
	}
	if s.on != "" {
		return &ragv1.ListContextRulesResponse{ContextRules: []*ragv1.ContextRule{{Name: s.on}}}, nil
	}
	return &ragv1.ListContextRulesResponse{}, nil
}

func TestHasContextRules(t *testing.T) {
	s := &rules{}
	conn := inproc.New()
	ragv1.RegisterRagServiceServer(conn, s)
	r := NewRag(conn, time.Second)
	of := func(organization string) context.Context {
		return auth.NewContext(t.Context(), &auth.Principal{Organization: organization})
	}
	s.refuse = errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "")
	if !r.HasRules(of("a")) || !r.HasRules(t.Context()) {
		t.Error("what cannot be known counts as none")
	}
	s.refuse = nil
	s.asked.Store(0)
	for range 3 {
		if r.HasRules(of("a")) {
			t.Error("rules where there are none")
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	// What is known of one organisation does not stand for another.
	s.on = "contextRules/r"
	if !r.HasRules(of("b")) || r.HasRules(of("a")) {
		t.Error("organisations are mixed up, or nothing is kept")
	}
	// A rule takes effect once what was known is too old.
	r.rules["a"] = ruled{until: time.Now()}
	if !r.HasRules(of("a")) {
		t.Error("the first rule is never seen")
	}
}

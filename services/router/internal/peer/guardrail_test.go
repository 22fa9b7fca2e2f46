package peer

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers by what each test sets.
type server struct {
	guardrailv1.UnimplementedGuardrailServiceServer
	rules   []*guardrailv1.Rule
	asked   atomic.Int32
	mute    bool // does not answer deltas
	version string
	refuse  error
}

func (s *server) GetPolicy(context.Context, *guardrailv1.GetPolicyRequest) (*guardrailv1.GetPolicyResponse, error) {
	s.asked.Add(1)
	if s.refuse != nil {
		return nil, s.refuse
	}
	return &guardrailv1.GetPolicyResponse{Policy: &guardrailv1.Policy{Rules: s.rules, Version: s.version}}, nil
}

func (s *server) CheckStream(c grpc.BidiStreamingServer[guardrailv1.CheckStreamRequest, guardrailv1.CheckStreamResponse]) error {
	for {
		r, err := c.Recv()
		if err != nil {
			return nil
		}
		if r.GetDelta() != nil && s.refuse != nil {
			return s.refuse
		}
		if r.GetDelta() != nil && s.mute {
			continue
		}
		if err := c.Send(&guardrailv1.CheckStreamResponse{Released: r.GetDelta().GetText()}); err != nil {
			return err
		}
	}
}

func connect(s *server, timeout time.Duration) *Guardrail {
	conn := inproc.New()
	guardrailv1.RegisterGuardrailServiceServer(conn, s)
	return NewGuardrail(conn, timeout)
}

func of(organization string) context.Context {
	return auth.NewContext(context.Background(), &auth.Principal{Organization: organization})
}

const (
	in  = guardrailv1.Direction_DIRECTION_INPUT
	out = guardrailv1.Direction_DIRECTION_OUTPUT
)

func TestHasRules(t *testing.T) {
	for _, tc := range []struct {
		rules         []*guardrailv1.Rule
		input, output bool
	}{
		{nil, false, false},
		{[]*guardrailv1.Rule{{Directions: []guardrailv1.Direction{in}}}, true, false},
		{[]*guardrailv1.Rule{{Directions: []guardrailv1.Direction{in}}, {Directions: []guardrailv1.Direction{out}}}, true, true},
		{[]*guardrailv1.Rule{{}}, true, true},
	} {
		g := connect(&server{rules: tc.rules}, time.Second)
		input, err1 := g.HasRules(of("o"), "", in)
		output, err2 := g.HasRules(of("o"), "", out)
		if input != tc.input || output != tc.output || err1 != nil || err2 != nil {
			t.Errorf("%v: input %v, output %v, %v, %v", tc.rules, input, output, err1, err2)
		}
	}
}

// A policy of one organisation must not stand for that of another.
func TestPoliciesAreKeptByOrganisation(t *testing.T) {
	s := &server{rules: []*guardrailv1.Rule{{}}}
	g := connect(s, time.Second)
	for range 3 {
		if on, err := g.HasRules(of("first"), "policies/p", out); err != nil || !on {
			t.Fatal(on, err)
		}
	}
	if n := s.asked.Load(); n != 1 {
		t.Errorf("asked %d times for one policy", n)
	}
	s.rules = nil
	if on, err := g.HasRules(of("second"), "policies/p", out); err != nil || on {
		t.Errorf("the second organisation has the rules of the first: %v, %v", on, err)
	}
}

func TestPolicyVersion(t *testing.T) {
	s := &server{version: "v1"}
	g := connect(s, time.Second)
	if _, err := g.HasRules(of("o"), "", out); err != nil {
		t.Fatal(err)
	}
	if version, err := g.PolicyVersion(of("o"), ""); err != nil || version != "v1" || s.asked.Load() != 1 {
		t.Errorf("version %q, asked %d times, %v", version, s.asked.Load(), err)
	}
	s.refuse = errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "")
	if version, err := g.PolicyVersion(of("p"), ""); err == nil {
		t.Errorf("version %q of a policy that is not known", version)
	}
}

func TestFailuresAreNotKept(t *testing.T) {
	s := &server{refuse: errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "")}
	g := connect(s, time.Second)
	if _, err := g.HasRules(of("o"), "", in); err == nil {
		t.Fatal("no error")
	}
	s.refuse = nil
	if _, err := g.HasRules(of("o"), "", in); err != nil {
		t.Errorf("after it came back: %v", err)
	}
}

func TestScan(t *testing.T) {
	s, err := connect(&server{}, time.Second).Scan(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, text := range []string{"one", "two"} {
		if r, err := s.Delta(pipeline.Delta{Text: text}); err != nil || r.GetReleased() != text {
			t.Errorf("%v, %v", r, err)
		}
	}
}

func TestScanThatDoesNotAnswerEnds(t *testing.T) {
	s, err := connect(&server{mute: true}, 50*time.Millisecond).Scan(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	begin := time.Now()
	_, err = s.Delta(pipeline.Delta{Text: "x"})
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE) || time.Since(begin) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

func TestScanGivesTheReasonOfItsEnd(t *testing.T) {
	refuse := errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the part has ended")
	s, err := connect(&server{refuse: refuse}, time.Second).Scan(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if _, err := s.Delta(pipeline.Delta{Text: "x"}); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) {
			t.Errorf("%v", err)
		}
	}
}

func TestNoBilling(t *testing.T) {
	var b NoBilling
	if _, err := b.Open(context.Background()); err == nil {
		t.Error("records would be lost")
	}
	price, err := b.Price(context.Background(), nil)
	if err != nil || !price.GetUnpriced() {
		t.Errorf("a model without a price costs %v", price)
	}
	hold, err := b.Hold(context.Background(), nil)
	if err = errors.Join(err, b.Release(context.Background(), "x")); err != nil || hold.GetName() != "" {
		t.Errorf("%v, %v", hold, err)
	}
}

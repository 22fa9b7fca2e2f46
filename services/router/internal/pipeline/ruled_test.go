package pipeline

import (
	"context"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// faults counts rules without an answer.
type faults map[string]int

func (f faults) RuleFault(_ context.Context, route, rule string) { f[route+"/"+rule]++ }

// What a rule sets reaches the target, and the hold knows of it.
func TestRulesSetWhatIsAskedAndHeld(t *testing.T) {
	cold, own := 0.1, 1.5
	short, long := int64(50), int64(3000)
	set := route.Parameters{Defaults: route.Defaults{Temperature: &cold, MaxOutputTokens: &short}}
	forced := set
	forced.Override = true
	for name, c := range map[string]struct {
		rule        route.Rule
		temperature float64
		output      int64
	}{
		"does not hold": {route.Rule{Name: "r", When: `caller.team == "x"`, Set: forced}, own, long},
		"a default":     {route.Rule{Name: "r", When: `caller.team == "t"`, Set: set}, own, long},
		"overrides":     {route.Rule{Name: "r", When: `request.output_tokens == 3000`, Set: forced}, cold, short},
	} {
		w := newWorld(t)
		w.route.Rules = []route.Rule{c.rule}
		call := w.call("hi")
		call.Conversation.Sampling = &llmv1.Sampling{Temperature: &own, MaxOutputTokens: &long}
		if _, err := w.pipeline().Generate(context.Background(), call); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		asked := w.model.asked[0].Conversation.GetSampling()
		if asked.GetTemperature() != c.temperature || asked.GetMaxOutputTokens() != c.output {
			t.Errorf("%s: asked %v", name, asked)
		}
		if held := w.holder.requests[0].GetCandidates()[0].GetWorstCase().GetOutputTokens(); held != c.output {
			t.Errorf("%s: %d tokens are held", name, held)
		}
		if call.Conversation.GetSampling().GetTemperature() != own {
			t.Errorf("%s: the client's request was changed", name)
		}
	}
}

// A client that speaks the target's own format is overridden too.
func TestRulesOverrideNativeRequests(t *testing.T) {
	cold, own := 0.1, 1.5
	w := newWorld(t)
	w.shape = func(t *target.Target) { t.Dialect = "openai" }
	w.route.Rules = []route.Rule{{Name: "r", Set: route.Parameters{Defaults: route.Defaults{Temperature: &cold}, Override: true}}}
	call := w.call("hi")
	call.Native = native{dialect: "openai"}
	p := w.pipeline()
	if _, err := p.Generate(context.Background(), call); err != nil {
		t.Fatal(err)
	}
	if asked := w.model.asked[0]; asked.Native == nil || asked.Defaults.GetTemperature() != cold {
		t.Errorf("the client has set nothing: native %v, defaults %v", asked.Native, asked.Defaults)
	}
	call.Conversation.Sampling = &llmv1.Sampling{Temperature: &own}
	if _, err := p.Generate(context.Background(), call); err != nil {
		t.Fatal(err)
	}
	if asked := w.model.asked[1]; asked.Native != nil || asked.Conversation.GetSampling().GetTemperature() != cold {
		t.Errorf("the client has set its own: native %v, asked %v", asked.Native, asked.Conversation.GetSampling())
	}
}

func TestDecisionsShowRules(t *testing.T) {
	w := newWorld(t)
	w.route.Rules = []route.Rule{
		{Name: "odd", When: `request.labels["x"] == "y"`, Stop: true},
		{Name: "second-first", When: `request.stream == false`, Prefer: []route.Selector{{Name: "b"}}},
	}
	p := w.pipeline()
	counted := faults{}
	p.peers.Rules = counted
	call := w.call("hi")
	call.Options.IncludeDecision = true
	result, err := p.Generate(context.Background(), call)
	if err != nil {
		t.Fatal(err)
	}
	d := result.Report.GetDecision()
	if result.Report.GetTarget() != "b" || len(d.GetRules()) != 1 || d.GetRules()[0] != "second-first" || len(d.GetAdvice()) != 1 {
		t.Errorf("answered by %s: %v", result.Report.GetTarget(), d)
	}
	if counted["m/odd"] != 1 {
		t.Errorf("counted %v", counted)
	}
	if streamed, err := p.Explain(context.Background(), call, true); err != nil || streamed.GetCandidates()[0].GetTarget() != "a" {
		t.Errorf("if it were streamed: %v, %v", streamed, err)
	}
}

// A caller's option is read in any case, and reaches the decision.
func TestCallersDemands(t *testing.T) {
	w := newWorld(t)
	call := w.call("hi")
	call.Options.Residency = "EU"
	_, err := w.pipeline().Generate(context.Background(), call)
	if e := errs.From(err); e.Reason != llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED || e.Field != "options.residency" {
		t.Errorf("targets without a region: %v", err)
	}
	if len(w.model.asked)+len(w.second.asked) > 0 {
		t.Error("a target was asked")
	}
}

package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// shadowed is a world whose route has target b as its shadow, always.
func shadowed(t testing.TB) *world {
	w := newWorld(t)
	w.route.Targets = []route.Ref{{Name: "a", Weight: 1}}
	w.route.Shadow = &route.Shadow{}
	w.route.Shadow.SetDefaults()
	w.route.Shadow.Target, w.route.Shadow.Percent, w.route.Shadow.Organization = "b", 100, "ops"
	return w
}

func TestShadowIsAskedTheSame(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		w := shadowed(t)
		w.enricher.text, w.route.Collections = "context", []string{"docs"}
		call := w.call("my secret")
		call.Conversation.Metadata = map[string]string{"project": "x"}
		p := w.pipeline()
		got, err := w.try(p, call, streamed)
		if err != nil {
			t.Fatal(err)
		}
		p.Drain(context.Background())
		if got.text != "hello there" || got.report.GetTarget() != "a" || got.report.GetAttempts() != 1 || got.report.GetCostNanousd() != 180 {
			t.Errorf("streamed %v: the caller sees %+v", streamed, got)
		}
		if len(w.second.asked) != 1 || w.second.live != 0 {
			t.Fatalf("streamed %v: asked %d times, %d streams are open", streamed, len(w.second.asked), w.second.live)
		}
		first, second := w.model.asked[0], w.second.asked[0]
		if second.Context != "context" || second.Conversation.GetMessages()[1].GetParts()[0].GetText().GetText() != "my [X]" ||
			len(second.Conversation.GetMessages()) != len(first.Conversation.GetMessages()) {
			t.Errorf("streamed %v: the shadow was asked %+v", streamed, second)
		}
		if len(w.recorder.final) != 2 || len(w.holder.requests) != 1 {
			t.Fatalf("%d records, %d holds", len(w.recorder.final), len(w.holder.requests))
		}
		r := w.recorder.final[1]
		if r.Scopes.GetOrganization() != "organizations/ops" || r.Scopes.GetKey() != "" || r.Hold != "" || r.RequestId == "req" ||
			r.Metadata["tollgate.role"] != "shadow" || r.Metadata["project"] != "" || r.Target != "b" ||
			r.Outcome != billingv1.Outcome_OUTCOME_SUCCEEDED || r.Usage.GetOutputTokens() != 7 {
			t.Errorf("streamed %v: record %v", streamed, r)
		}
		if own := w.recorder.final[0]; own.Scopes.GetOrganization() != "organizations/o" || own.Metadata["tollgate.role"] != "" {
			t.Errorf("streamed %v: the caller's record %v", streamed, own)
		}
	}
}

// onlyAIsEuropean lets a have what b must not.
func onlyAIsEuropean(t *target.Target) {
	if t.Name == "a" {
		t.Region, t.Compliance = "eu-west-1", []string{"regulated"}
	}
}

func TestWhatHasNoShadow(t *testing.T) {
	for name, arm := range map[string]func(*world, *Call){
		"a share of none":        func(w *world, _ *Call) { w.route.Shadow.Percent = 0 },
		"a failure":              func(w *world, _ *Call) { w.model.err = errs.New(down, "") },
		"a blocked request":      func(_ *world, c *Call) { setText(c, "an attack") },
		"a blocked answer":       func(w *world, _ *Call) { w.model.text = "an attack" },
		"another jurisdiction":   func(_ *world, c *Call) { c.Options.Residency = "eu" },
		"a key's jurisdiction":   func(w *world, _ *Call) { w.principal.Residency = "eu" },
		"a route's jurisdiction": func(w *world, _ *Call) { w.route.Residency = "eu" },
		"another class":          func(_ *world, c *Call) { c.Options.Compliance = "regulated" },
	} {
		t.Run(name, func(t *testing.T) {
			w := shadowed(t)
			w.shape = onlyAIsEuropean
			call := w.call("hello")
			arm(w, call)
			p := w.pipeline()
			_, _ = w.try(p, call, false)
			p.Drain(context.Background())
			if len(w.second.asked) != 0 {
				t.Error("the shadow was asked")
			}
		})
	}
}

func TestHitsHaveNoShadow(t *testing.T) {
	w := cachingWorld(t)
	w.route.Targets, w.route.Shadow = w.route.Targets[:1], shadowed(t).route.Shadow
	p := w.pipeline()
	for range 3 {
		w.settledOnce(p)
	}
	p.Drain(context.Background())
	if len(w.model.asked) != 1 || len(w.second.asked) != 1 {
		t.Errorf("the target was asked %d times, the shadow %d times", len(w.model.asked), len(w.second.asked))
	}
}

func (w *world) settledOnce(p *Pipeline) {
	w.t.Helper()
	if _, err := w.try(p, w.again("hello"), false); err != nil {
		w.t.Fatal(err)
	}
}

// A shadow that fails, hangs or panics is nobody's trouble.
func TestShadowsThatFail(t *testing.T) {
	for name, arm := range map[string]func(*world){
		"an error": func(w *world) { w.second.err = errs.New(down, "") },
		"a panic":  func(w *world) { w.second.panics = true },
	} {
		w := shadowed(t)
		arm(w)
		p := w.pipeline()
		got, err := w.try(p, w.call("hello"), false)
		p.Drain(context.Background())
		if err != nil || got.text != "hello there" || len(w.recorder.final) != 2 ||
			w.recorder.final[1].Outcome != billingv1.Outcome_OUTCOME_FAILED {
			t.Errorf("%s: %v, %+v, %d records", name, err, got, len(w.recorder.final))
		}
	}
}

func TestShadowsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shadowed(t)
		w.route.Shadow.Concurrency, w.route.Shadow.Timeout = 2, config.Duration(500*time.Millisecond)
		p := w.pipeline()
		hung := &slow{text: "late"}
		for _, one := range p.World().Targets {
			if one.Name == "b" {
				one.Adapter = hung
			}
		}
		began := time.Now()
		for range 10 {
			w.settledOnce(p)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("callers waited %v", took)
		}
		synctest.Wait()
		p.Drain(context.Background())
		if hung.asked != 2 || time.Since(began) != 500*time.Millisecond {
			t.Errorf("asked %d times, ended after %v", hung.asked, time.Since(began))
		}
		w.settledOnce(p)
		synctest.Wait()
		if hung.asked != 2 {
			t.Error("a shadow began after the end")
		}
	})
}

func TestDrainCancelsShadows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := shadowed(t)
		p := w.pipeline()
		for _, one := range p.World().Targets {
			if one.Name == "b" {
				one.Adapter = &slow{text: "late"}
			}
		}
		w.settledOnce(p)
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		p.Drain(ctx)
		if took := time.Since(began); took != 100*time.Millisecond || len(w.recorder.final) != 2 {
			t.Errorf("took %v, %d records", took, len(w.recorder.final))
		}
	})
}

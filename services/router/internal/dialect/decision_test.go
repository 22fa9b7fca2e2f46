package dialect

import (
	"net/http"
	"strings"
	"testing"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

func TestDecisionsInAHeader(t *testing.T) {
	d := &routerv1.RouteDecision{
		Route: "gpt-*", Strategy: "weighted", Confidence: 0.75, Rules: []string{"night", "a\r\nx-evil: 1"},
		Candidates: []*routerv1.RouteCandidate{
			{Target: "east"}, {Target: "west"}, {Target: "us", Rejected: true, Reason: "forbidden by rule night"},
		},
	}
	h := http.Header{}
	SetReport(h, &routerv1.RequestReport{Decision: d})
	want := "route=gpt-*; strategy=weighted; confidence=0.75; rules=night, a??x-evil: 1; order=east, west; rejected=us (forbidden by rule night)"
	if got := h.Get("x-tollgate-decision"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	for range 200 {
		d.Candidates = append(d.Candidates, &routerv1.RouteCandidate{Target: "grüß", Rejected: true, Reason: "no"})
	}
	SetReport(h, &routerv1.RequestReport{Decision: d})
	if got := h.Get("x-tollgate-decision"); len(got) != maxDecision || !strings.HasSuffix(got, "...") {
		t.Errorf("a long decision has %d bytes", len(got))
	}
	h = http.Header{}
	SetReport(h, &routerv1.RequestReport{})
	if _, ok := h["X-Tollgate-Decision"]; ok {
		t.Error("nobody asked for a decision")
	}
}

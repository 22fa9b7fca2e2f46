package drill

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestChoose(t *testing.T) {
	w := world(t)
	for _, c := range []struct {
		name    string
		request *routerv1.RunDrillRequest
		want    string // names, or the reason of the refusal
	}{
		{"by name", &routerv1.RunDrillRequest{Targets: []string{"west", "east"}}, "west east"},
		{"a region", &routerv1.RunDrillRequest{Region: "us-west-2"}, "west oregon"},
		{"a region of a provider", &routerv1.RunDrillRequest{Region: "us-east-1", Provider: "net"}, "east"},
		{"nothing", &routerv1.RunDrillRequest{}, "INVALID_ARGUMENT"},
		{"both", &routerv1.RunDrillRequest{Region: "us-west-2", Targets: []string{"west"}}, "INVALID_ARGUMENT"},
		{"no such target", &routerv1.RunDrillRequest{Targets: []string{"north"}}, "NOT_FOUND"},
		{"no such region", &routerv1.RunDrillRequest{Region: "eu-west-1"}, "NOT_FOUND"},
		{"no network", &routerv1.RunDrillRequest{Targets: []string{"builtin"}}, "UNSUPPORTED"},
		{"everybody", &routerv1.RunDrillRequest{Provider: "net"}, "CONFLICT"},
		{"everybody, on purpose", &routerv1.RunDrillRequest{Provider: "net", AllowOutage: true}, "east west oregon"},
	} {
		chosen, err := choose(c.request, w)
		got := strings.Join(names(chosen), " ")
		if err != nil {
			got = errs.From(err).ReasonName()
		}
		if got != c.want {
			t.Errorf("%s: %s (%v), want %s", c.name, got, err, c.want)
		}
	}
}

func TestDrillsThatCannotBe(t *testing.T) {
	p := newPlace(t)
	for name, change := range map[string]func(*routerv1.RunDrillRequest){
		"no faults":         func(r *routerv1.RunDrillRequest) { r.Faults = nil },
		"faults of no kind": func(r *routerv1.RunDrillRequest) { r.Faults = &routerv1.DrillFaults{Share: 1} },
		"two kinds":         func(r *routerv1.RunDrillRequest) { r.Faults.Blackhole = true },
		"a late blackhole": func(r *routerv1.RunDrillRequest) {
			r.Faults = &routerv1.DrillFaults{Blackhole: true, Latency: seconds(1)}
		},
		"too long":             func(r *routerv1.RunDrillRequest) { r.During = seconds(3601) },
		"no time":              func(r *routerv1.RunDrillRequest) { r.During = nil },
		"a negative time":      func(r *routerv1.RunDrillRequest) { r.Before = durationpb.New(-1) },
		"a slow heart":         func(r *routerv1.RunDrillRequest) { r.Heartbeat = seconds(61) },
		"a heart without rest": func(r *routerv1.RunDrillRequest) { r.Heartbeat = durationpb.New(1) },
	} {
		request := plan()
		change(request)
		err := p.Run(context.Background(), "key", request, func(*routerv1.RunDrillResponse) error { return nil })
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) || errs.From(err).Field == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package route

import (
	"slices"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// placed makes a target in a region, with compliance classes.
func placed(name, region string, classes ...string) *target.Target {
	t := newTarget(name, "*")
	t.Region, t.Compliance = region, classes
	return t
}

func names(order []*Candidate) string {
	var list []string
	for i := range order {
		list = append(list, order[i].Target.Name)
	}
	return strings.Join(list, " ")
}

func TestDemandsNarrow(t *testing.T) {
	both := placed("both", "")
	both.Residency = []string{"eu", "us"}
	targets := []*target.Target{
		placed("us", "us-east-1", "regulated"), placed("eu", "eu-central-1", "regulated"), placed("plain", "europe-west4"),
		placed("uk", "eu-west-2"), placed("nowhere", ""), both,
	}
	for name, c := range map[string]struct {
		key, route, option string // residency
		class, routeClass  string
		want               string
		reason             llmv1.ErrorReason
		field              string
	}{
		"no demand":                   {want: "us eu plain uk nowhere both"},
		"the key's":                   {key: "eu", want: "eu plain both"},
		"the route's":                 {route: "eu", want: "eu plain both"},
		"the caller's":                {option: "eu", want: "eu plain both"},
		"the same of all":             {key: "eu", route: "eu", option: "eu", want: "eu plain both"},
		"two that one target meets":   {key: "eu", option: "us", want: "both"},
		"an option against the key":   {key: "ch", option: "us", reason: llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, field: "options.residency"},
		"an option against the route": {route: "uk", option: "us", reason: llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, field: "options.residency"},
		"a key against the route":     {key: "uk", route: "us", reason: unsupported, field: "model"},
		"nobody is there":             {option: "jp", reason: unsupported, field: "options.residency"},
		"nobody is there for a key":   {key: "jp", reason: unsupported, field: "model"},
		"a class":                     {class: "regulated", want: "us eu"},
		"a class and a place":         {class: "regulated", key: "eu", want: "eu"},
		"two classes":                 {class: "regulated", routeClass: "hipaa", reason: unsupported, field: "model"},
	} {
		t.Run(name, func(t *testing.T) {
			var list []string
			for _, to := range targets {
				list = append(list, to.Name)
			}
			table := newTable(t, []Route{{Model: "m", Targets: refs(list...), Residency: c.route, Compliance: c.routeClass}}, targets...)
			e, _ := table.Match("m")
			var d Decision
			e.Candidates(Question{
				Model: "m", Caller: Caller{Residency: c.key, Compliance: c.class}, Residency: c.option,
			}, &d)
			if got := names(d.Order); got != c.want {
				t.Errorf("admitted: %s, want %s", got, c.want)
			}
			if c.want != "" {
				return
			}
			failure := errs.From(d.Err())
			if failure.Reason != c.reason || failure.Field != c.field {
				t.Errorf("%v of %q, want %v of %q: %v", failure.Reason, failure.Field, c.reason, c.field, failure)
			}
			for _, r := range d.Explain().GetCandidates() {
				if !r.GetRejected() || r.GetReason() == "" {
					t.Errorf("candidate %v", r)
				}
			}
		})
	}
}

// Who must not be asked is said before what they could not do: neither message
// nor order may hang on what the request needs.
func TestPlaceComesBeforeCapability(t *testing.T) {
	blind := placed("blind", "us-east-1")
	blind.Lacks = capability.Images
	table := newTable(t, []Route{{Model: "m", Targets: refs("blind"), DropUnsupported: true}}, blind)
	e, _ := table.Match("m")
	var d Decision
	e.Candidates(Question{Model: "m", Needs: capability.Images, Residency: "eu", Dialect: "openai"}, &d)
	failure := errs.From(d.Err())
	if failure.Field != "x-tollgate-residency" || !strings.Contains(failure.Error(), "eu, which the request demands") {
		t.Errorf("%q: %v", failure.Field, failure)
	}
}

func TestModelsWithinAKeysDemands(t *testing.T) {
	table := newTable(t, []Route{
		{Model: "home", Targets: refs("eu")}, {Model: "away", Targets: refs("us")}, {Model: "both", Targets: refs("us", "eu")},
	}, placed("us", "us-east-1"), placed("eu", "eu-central-1"))
	var got []string
	for _, m := range table.Models(Caller{Residency: "eu"}) {
		got = append(got, m.Name+":"+strings.Join(m.Targets, "+"))
	}
	if !slices.Equal(got, []string{"both:eu", "home:eu"}) {
		t.Errorf("models %v", got)
	}
}

func TestDemandsOfRoutesAreValidated(t *testing.T) {
	targets := []provider.Target{
		{Name: "eu", Region: "eu-west-1", Models: provider.NewModels("*"), Compliance: []string{"regulated"}},
		{Name: "us", Region: "us-east-1", Models: provider.NewModels("*")},
	}
	for name, c := range map[string]struct {
		route Route
		fault string
	}{
		"met":                 {Route{Residency: "eu", Compliance: "regulated", Targets: refs("us", "eu")}, ""},
		"no such place":       {Route{Residency: "EU", Targets: refs("eu")}, "routes[0].residency"},
		"no target there":     {Route{Residency: "eu", Targets: refs("us")}, "known to compute"},
		"no such class":       {Route{Compliance: "-", Targets: refs("eu")}, "routes[0].compliance"},
		"no certified target": {Route{Compliance: "regulated", Targets: refs("us")}, "has the class"},
	} {
		c.route.Model = "m"
		v := config.NewValidator()
		Validate(v.At("routes"), []Route{c.route}, targets)
		err := v.Err()
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

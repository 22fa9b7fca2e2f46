package provider

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestWithin(t *testing.T) {
	for name, c := range map[string]struct {
		target Target
		model  string
		place  string
		want   bool
	}{
		"by its region":               {Target{Region: "eu-central-1"}, "m", "eu", true},
		"another place":               {Target{Region: "eu-central-1"}, "m", "us", false},
		"an unknown region":           {Target{Region: "moon-1"}, "m", "eu", false},
		"no region":                   {Target{}, "m", "eu", false},
		"as stated":                   {Target{Residency: []string{"eu", "de"}}, "m", "de", true},
		"stated against its region":   {Target{Region: "us-east-1", Residency: []string{"eu"}}, "m", "us", false},
		"a profile inside":            {Target{Provider: "bedrock", Region: "eu-west-1"}, "eu.a.b", "eu", true},
		"a profile of another place":  {Target{Provider: "bedrock", Region: "eu-west-1"}, "us.a.b", "eu", false},
		"a global profile":            {Target{Provider: "bedrock", Region: "eu-west-1"}, "global.a.b", "eu", false},
		"a global profile, stated":    {Target{Provider: "bedrock", Residency: []string{"eu"}}, "global.a.b", "eu", false},
		"a wider profile, stated":     {Target{Provider: "bedrock", Residency: []string{"de"}}, "eu.a.b", "de", false},
		"an opaque profile":           {Target{Provider: "bedrock", Region: "eu-west-1"}, "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x", "eu", false},
		"an opaque profile, stated":   {Target{Provider: "bedrock", Residency: []string{"eu"}}, "arn:aws:bedrock:eu-west-1:1:application-inference-profile/x", "eu", true},
		"dots mean nothing elsewhere": {Target{Provider: "openai", Region: "eu-west-1"}, "us.a.b", "eu", true},
	} {
		if got := c.target.Within(c.place, c.model); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestPlacesAreValidated(t *testing.T) {
	v := config.NewValidator()
	Target{
		Name: "t", Provider: "p", Models: NewModels("*"), Residency: []string{"eu", "EU"}, Compliance: []string{"hi paa"},
	}.Validate(v, []string{"p"})
	err := v.Err()
	if err == nil || !strings.Contains(err.Error(), "residency[1]") || !strings.Contains(err.Error(), "compliance[0]") ||
		strings.Contains(err.Error(), "residency[0]") {
		t.Errorf("faults: %v", err)
	}
}

package jurisdiction

import (
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	for region, want := range map[string]string{
		"eu-central-1": "eu", "eu-west-2": "uk", "eu-central-2": "ch", "europe-west2": "uk", "europe-west6": "ch",
		"europe-west4": "eu", "westeurope": "eu", "West Europe": "eu", "UKSOUTH": "uk", "us-east-1": "us", "us": "us",
		"norwayeast": "no", "sa-east-1": "br", "ap-northeast-1": "jp", "ap-northeast-2": "kr", "asia-east2": "hk",
		"ca-central-1": "ca", "ap-south-1": "in", "ap-southeast-1": "sg", "ap-southeast-2": "au",
		"": "", "global": "", "europe": "", "eu-central-9": "", "mars-1": "", "eu-central-1a": "", "apac": "",
	} {
		if got := Of(region); got != want {
			t.Errorf("%q is in %q, want %q", region, got, want)
		}
	}
}

// A region that stands under two jurisdictions would be in either by chance.
func TestEveryRegionIsInOnePlace(t *testing.T) {
	seen := map[string]string{}
	for place, names := range regions {
		if !Valid(place) {
			t.Errorf("%q cannot be demanded", place)
		}
		for name := range strings.FieldsSeq(names) {
			if other, twice := seen[name]; twice {
				t.Errorf("%s is in %s and in %s", name, other, place)
			}
			seen[name] = place
		}
	}
	if len(seen) < 150 {
		t.Errorf("%d regions are known", len(seen))
	}
}

func TestOfProfile(t *testing.T) {
	for model, want := range map[string]struct {
		place string
		ok    bool
	}{
		"anthropic.claude-sonnet-4-5-20250929-v1:0":                    {"", false},
		"eu.anthropic.claude-sonnet-4-5-20250929-v1:0":                 {"eu", true},
		"us-gov.anthropic.claude-3-haiku-20240307-v1:0":                {"us", true},
		"global.anthropic.claude-sonnet-4-5-20250929-v1:0":             {"global", true},
		"apac.amazon.nova-lite-v1:0":                                   {"apac", true},
		"arn:aws:bedrock:eu-west-1:1:inference-profile/eu.a.b":         {"eu", true},
		"arn:aws:bedrock:eu-west-1:1:inference-profile/us.a.b":         {"us", true},
		"arn:aws:bedrock:eu-west-1:1:application-inference-profile/x1": {Opaque, true},
		"arn:aws:bedrock:eu-west-1:1:provisioned-model/x1":             {"", false},
		"kr.anthropic.claude-9":                                        {Opaque, true},
		"us-north.a.b":                                                 {Opaque, true},
		"zai.glm-4.6":                                                  {"", false},
		"gpt-4o":                                                       {"", false},
	} {
		if place, ok := OfProfile(model); place != want.place || ok != want.ok {
			t.Errorf("%s: %q, %v", model, place, ok)
		}
	}
}

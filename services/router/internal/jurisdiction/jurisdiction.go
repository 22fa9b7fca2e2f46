// Package jurisdiction knows in whose jurisdiction a provider's region is. What
// it does not know is in none: a demand for residency is then not met, rather
// than perhaps met.
package jurisdiction

import (
	"regexp"
	"strings"
)

var byRegion = index()

func index() map[string]string {
	all := make(map[string]string, 256)
	for place, names := range regions {
		for name := range strings.FieldsSeq(names) {
			all[name] = place
		}
	}
	return all
}

// Of returns the jurisdiction of a region, in any case and with or without
// spaces ("West Europe"); empty if it is not known or spans several.
func Of(region string) string {
	return byRegion[strings.ReplaceAll(strings.ToLower(region), " ", "")]
}

var form = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Valid says whether a name can be that of a jurisdiction.
func Valid(name string) bool { return form.MatchString(name) }

// The inference profiles of Amazon Bedrock compute in any region of a
// geography, wherever they are asked: the model's name decides, not the region.
// https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
var geographies = map[string]string{
	"us": "us", "us-gov": "us", "eu": "eu", "jp": "jp", "au": "au", "ca": "ca",
	"apac": "apac", "ap": "apac", "sa": "latam", "global": "global",
}

// Opaque is where a profile computes whose name does not say it.
const Opaque = ""

// OfProfile returns where a model of Amazon Bedrock computes, if its name says
// that this is not simply the region that is asked: a jurisdiction, a wider
// geography that meets no demand, or Opaque.
func OfProfile(model string) (place string, ok bool) {
	if strings.HasPrefix(model, "arn:") {
		_, resource, found := strings.Cut(model, "inference-profile/")
		if !found {
			return "", false // one resource, in one region
		}
		if strings.Contains(model, "application-inference-profile/") {
			return Opaque, true
		}
		model = resource
	}
	prefix, _, found := strings.Cut(model, ".")
	if !found {
		return "", false
	}
	if place, ok = geographies[prefix]; ok {
		return place, true
	}
	// Vendors have longer names: this is a geography that is newer than the table.
	return Opaque, len(prefix) <= 2 || strings.Contains(prefix, "-")
}

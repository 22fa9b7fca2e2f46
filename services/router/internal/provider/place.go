package provider

import (
	"regexp"
	"slices"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/jurisdiction"
)

// Within says whether the target computes a model in a jurisdiction. What is
// not known is not within.
func (t *Target) Within(place, model string) bool {
	return t.WithinFrom(jurisdiction.Of(t.Region), place, model)
}

// WithinFrom is Within for who has looked up the jurisdiction of the region.
func (t *Target) WithinFrom(home, place, model string) bool {
	stated := len(t.Residency) > 0
	if stated && !slices.Contains(t.Residency, place) || !stated && home != place {
		return false
	}
	if t.Provider != "bedrock" {
		return true
	}
	// A model's name there may mean a whole geography, whatever the region: the
	// operator's word covers only what the name leaves open.
	profile, ok := jurisdiction.OfProfile(model)
	return !ok || profile == place || stated && profile == jurisdiction.Opaque
}

// Certified says whether the target has a compliance class.
func (t *Target) Certified(class string) bool { return slices.Contains(t.Compliance, class) }

var classForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// ValidClass says whether a name can be that of a compliance class.
func ValidClass(name string) bool { return classForm.MatchString(name) }

// validatePlace reports names that no request could demand.
func (t Target) validatePlace(v *config.Validator) {
	for i, place := range t.Residency {
		if !jurisdiction.Valid(place) {
			v.At("residency").Index(i).Fail("", "%q is not a jurisdiction", place).
				WithHelp("use lower-case letters, digits and hyphens, for example eu, us or de")
		}
	}
	for i, class := range t.Compliance {
		if !ValidClass(class) {
			v.At("compliance").Index(i).Fail("", "%q is not a compliance class", class).
				WithHelp("use lower-case letters, digits and hyphens, for example regulated")
		}
	}
}

package gemini

import (
	"regexp"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

var (
	versionName = regexp.MustCompile(`^v\d+(alpha|beta)?\d*$`)
	// A project and a region become parts of an address.
	placeName  = regexp.MustCompile(`^[a-z0-9][a-z0-9.:-]*$`)
	regionName = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// Validate reports faults of a target of the Gemini API.
func Validate(t provider.Target, v *config.Validator) {
	if t.APIVersion != "" && !versionName.MatchString(t.APIVersion) {
		v.Fail("api_version", "must be a version such as v1beta")
	}
	if t.BaseURL == "" && t.APIKey.IsZero() && t.APIKeyFile == "" {
		v.Fail("api_key", "or api_key_file is required")
	}
}

// ValidateVertex reports faults of a target of Vertex AI.
func ValidateVertex(t provider.Target, v *config.Validator) {
	if t.APIVersion != "" && !versionName.MatchString(t.APIVersion) {
		v.Fail("api_version", "must be a version such as v1")
	}
	if !placeName.MatchString(t.Google.Project) {
		v.Fail("google.project", "is required: the id of a project of Google Cloud")
	}
	if t.Region != "" && !regionName.MatchString(t.Region) {
		v.Fail("region", "must be a location such as europe-west4, or empty for global")
	}
	if !t.APIKey.IsZero() || t.APIKeyFile != "" {
		v.Fail("api_key", "is not for Vertex AI; use google.credentials_file, or provider gemini")
	}
}

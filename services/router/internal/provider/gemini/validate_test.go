package gemini_test

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/gemini"
)

func TestValidate(t *testing.T) {
	project := provider.Google{Project: "my-project"}
	for name, tt := range map[string]struct {
		validate func(provider.Target, *config.Validator)
		target   provider.Target
		fault    string
	}{
		"a key":           {gemini.Validate, provider.Target{APIKey: secret.New("x"), APIVersion: "v1beta"}, ""},
		"a key's file":    {gemini.Validate, provider.Target{APIKeyFile: "/x"}, ""},
		"another address": {gemini.Validate, provider.Target{BaseURL: "http://127.0.0.1:1"}, ""},
		"no key":          {gemini.Validate, provider.Target{}, "api_key"},
		"version":         {gemini.Validate, provider.Target{APIKeyFile: "/x", APIVersion: "2024-10-21"}, "api_version"},
		"vertex":          {gemini.ValidateVertex, provider.Target{Google: project, Region: "europe-west4"}, ""},
		"no region":       {gemini.ValidateVertex, provider.Target{Google: project}, ""},
		"no project":      {gemini.ValidateVertex, provider.Target{}, "google.project"},
		"another host":    {gemini.ValidateVertex, provider.Target{Google: project, Region: "evil.example/"}, "region"},
		"a key on vertex": {gemini.ValidateVertex, provider.Target{Google: project, APIKey: secret.New("x")}, "api_key"},
		"vertex version":  {gemini.ValidateVertex, provider.Target{Google: project, APIVersion: "1"}, "api_version"},
	} {
		v := config.NewValidator()
		tt.validate(tt.target, v)
		switch err := v.Err(); {
		case tt.fault == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)):
			t.Errorf("%s: got %v", name, err)
		}
	}
}

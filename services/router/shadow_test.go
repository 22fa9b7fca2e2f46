package router

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestShadowIsValidated(t *testing.T) {
	for text, want := range map[string]string{
		"{target: builtin, organization: ops}":                             "",
		"{target: builtin, organization: ops, percent: 100, model: other}": "",
		"{organization: ops}":                                              "shadow.target",
		"{target: nobody, organization: ops}":                              "shadow.target.name",
		"{target: builtin}":                                                "shadow.organization",
		"{target: builtin, organization: ops, percent: 101}":               "shadow.percent",
		"{target: builtin, organization: ops, timeout: 0s}":                "shadow.timeout",
		"{target: builtin, organization: ops, concurrency: 0}":             "shadow.concurrency",
	} {
		var file struct {
			Routes []Route `yaml:"routes"`
		}
		err := config.Parse([]byte(`routes: [{model: m, targets: [builtin], shadow: `+text+`}]`), nil, &file)
		if err == nil {
			c := DefaultConfig()
			c.Routes = file.Routes
			v := config.NewValidator()
			c.ValidateTargets(v)
			err = v.Err()
		}
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

package provider

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestLimitsFaults(t *testing.T) {
	models := NewModels("a", "b")
	for _, tc := range []struct {
		name   string
		l      Limits
		models Models
		want   string // where the fault is
	}{
		{"none", Limits{}, models, ""},
		{"good", Limits{Rates: Rates{10, 1000}, Models: map[string]Rates{"a": {RequestsPerMinute: 5}}}, models, ""},
		{"negative", Limits{Rates: Rates{-1, 0}}, models, "requests_per_minute:"},
		{"negative for a model", Limits{Models: map[string]Rates{"a": {TokensPerMinute: -1}}}, models, "models.a.tokens_per_minute:"},
		{"of a model that is not served", Limits{Models: map[string]Rates{"c": {}}}, models, "models.c:"},
		{"any model is served", Limits{Models: map[string]Rates{"c": {}}}, NewModels("*"), ""},
	} {
		v := config.NewValidator()
		tc.l.validate(v, tc.models)
		text := ""
		if err := v.Err(); err != nil {
			text = err.Error()
		}
		if (text == "") != (tc.want == "") || !strings.Contains(text, tc.want) {
			t.Errorf("%s: %q, want a fault at %q", tc.name, text, tc.want)
		}
	}
}

package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

const plain = "tg_very-secret-value"

func TestEveryPrintedFormIsRedacted(t *testing.T) {
	s := secret.New(plain)
	nested := struct {
		Key  secret.String            `json:"key"`
		Keys []secret.String          `json:"keys"`
		Map  map[string]secret.String `json:"map"`
		priv secret.String
	}{s, []secret.String{s}, map[string]secret.String{"a": s}, s}

	forms := map[string]string{"string": s.String(), "concat": fmt.Sprint("x", s)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		forms["verb "+verb] = fmt.Sprintf(verb, s)
		forms["nested "+verb] = fmt.Sprintf(verb, nested)
		forms["pointer "+verb] = fmt.Sprintf(verb, &nested)
	}
	js, err := json.Marshal(nested)
	if err != nil {
		t.Fatal(err)
	}
	forms["json"] = string(js)
	ya, err := yaml.Marshal(map[string]any{"k": s})
	if err != nil {
		t.Fatal(err)
	}
	forms["yaml"] = string(ya)
	var buf bytes.Buffer
	slog.New(slog.NewJSONHandler(&buf, nil)).Info("m", "k", s, "n", nested)
	slog.New(slog.NewTextHandler(&buf, nil)).Info("m", "k", s, "n", nested)
	forms["slog"] = buf.String()

	for name, got := range forms {
		if strings.Contains(got, plain) || strings.Contains(got, fmt.Sprintf("%x", plain)) {
			t.Errorf("%s leaks: %s", name, got)
		}
	}
	for _, name := range []string{"string", "json", "yaml", "slog", "verb %x", "verb %#v"} {
		if !strings.Contains(forms[name], secret.Redacted) {
			t.Errorf("%s: %q does not say %s", name, forms[name], secret.Redacted)
		}
	}
}

func TestReveal(t *testing.T) {
	if got := secret.New(plain).Reveal(); got != plain {
		t.Errorf("Reveal = %q", got)
	}
	var zero secret.String
	if !zero.IsZero() || zero.Reveal() != "" || !secret.New("").IsZero() {
		t.Error("zero value must be empty")
	}
	if secret.New(plain).IsZero() {
		t.Error("a set secret is not zero")
	}
}

func TestEqual(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{{"a", "a", true}, {"a", "b", false}, {"a", "aa", false}, {"", "", true}, {"", "a", false}}
	for _, tt := range tests {
		if got := secret.New(tt.a).Equal(secret.New(tt.b)); got != tt.want {
			t.Errorf("Equal(%q,%q) = %v", tt.a, tt.b, got)
		}
	}
}

func TestUnmarshal(t *testing.T) {
	var y struct{ Key secret.String }
	if err := yaml.Unmarshal([]byte("key: "+plain), &y); err != nil || y.Key.Reveal() != plain {
		t.Errorf("yaml: %v %q", err, y.Key.Reveal())
	}
	var j struct{ Key secret.String }
	if err := json.Unmarshal([]byte(`{"key":"`+plain+`"}`), &j); err != nil || j.Key.Reveal() != plain {
		t.Errorf("json: %v %q", err, j.Key.Reveal())
	}
	if err := new(secret.String).UnmarshalText([]byte(secret.Redacted)); err == nil {
		t.Error("a printed configuration must not be taken for a real one")
	}
}

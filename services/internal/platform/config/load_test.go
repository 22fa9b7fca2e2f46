package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

type timeouts struct {
	Connect config.Duration `yaml:"connect"`
	Total   config.Duration `yaml:"total"`
}

// target has a default and a field of two forms.
type target struct {
	Name     string            `yaml:"name"`
	APIKey   secret.String     `yaml:"api_key"`
	Models   models            `yaml:"models"`
	Timeouts timeouts          `yaml:"timeouts"`
	Retries  uint8             `yaml:"retries"`
	Weight   *float64          `yaml:"weight"`
	Labels   map[string]string `yaml:"labels"`
}

func (t *target) SetDefaults() { t.Retries = 2 }

func (t *target) Validate(v *config.Validator) {
	if t.Name == "" {
		v.Fail("name", "must be set").WithHelp("give each target a name")
	}
	if t.Timeouts.Total < t.Timeouts.Connect {
		v.At("timeouts").Fail("total", "must not be below connect")
	}
}

// models is a list of names, or "*".
type models struct {
	All   bool
	Names []string
}

func (m *models) UnmarshalConfig(n *config.Node) {
	switch {
	case n.IsScalar() && n.Text() == "*":
		m.All = true
	case n.IsList():
		n.Decode(&m.Names)
	default:
		n.Fail("must be a list of names, or *")
	}
}

type common struct {
	LogLevel string `yaml:"log_level"`
}

type root struct {
	Inline   common       `yaml:",inline"`
	Port     int          `yaml:"port"`
	Cache    config.Bytes `yaml:"cache"`
	Debug    bool         `yaml:"debug"`
	Targets  []target     `yaml:"targets"`
	Anything any          `yaml:"anything"`
	Ignored  string       `yaml:"-"`
	Plain    string
}

func (r *root) Validate(v *config.Validator) {
	for i := range r.Targets {
		r.Targets[i].Validate(v.At("targets").Index(i))
	}
}

func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(k string) (string, bool) { v, ok := m[k]; return v, ok }
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tollgate.yaml")
	text := `
log_level: debug
port: ${PORT}
cache: 10MiB
plain: a ${WORD} in ${MISSING:-the} middle, $${kept}
anything: {a: [1, two]}
shared: &slow
  connect: 1s
`
	text = strings.Replace(text, "shared: &slow\n  connect: 1s\n", `targets:
  - name: one
    api_key: ${KEY}
    models: "*"
    timeouts: &slow {connect: 1s, total: 2m}
    weight: 0.5
  - name: two
    models: [a, b]
    retries: 0
    timeouts: {<<: *slow, total: 3m}
    labels: {"a.b": c}
`, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got := root{Debug: true, Plain: "default"}
	if err := config.Load(path, env("PORT", "8080", "KEY", "007", "WORD", "word"), &got); err != nil {
		t.Fatal(err)
	}
	second := config.Duration(time.Second)
	half := 0.5
	want := root{
		Inline: common{LogLevel: "debug"}, Port: 8080, Cache: 10 << 20, Debug: true,
		Plain:    "a word in the middle, ${kept}",
		Anything: map[string]any{"a": []any{1, "two"}},
		Targets: []target{
			{Name: "one", Models: models{All: true}, Timeouts: timeouts{second, 120 * second}, Retries: 2, Weight: &half},
			{Name: "two", Models: models{Names: []string{"a", "b"}}, Timeouts: timeouts{second, 180 * second}, Labels: map[string]string{"a.b": "c"}},
		},
	}
	if key := got.Targets[0].APIKey.Reveal(); key != "007" {
		t.Errorf("key = %q", key)
	}
	got.Targets[0].APIKey = secret.String{}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b secret.String) bool { return a.Equal(b) })); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFaultIsReportedAtOnce(t *testing.T) {
	text := `port: eighty
cach: 1MiB
debug: "maybe"
targets:
  - api_key: ${NO_SUCH}
    models: {a: b}
    timeouts:
      connect: 3
      totl: 1s
    retries: 300
  - name: b
    name: c
    labels: [x]
    timeouts: {connect: 2s, total: 1s}
cache: ten
`
	var got root
	err := config.Parse([]byte(text), env(), &got)
	want := `line 1: port: needs a whole number that fits 64 bits, found text
line 2: cach: unknown key (did you mean cache?)
line 3: debug: needs true or false, found text
line 5: targets[0].api_key: the environment variable NO_SUCH is not set (set it, or give a default: ${NO_SUCH:-value})
line 5: targets[0].name: must be set (give each target a name)
line 6: targets[0].models: must be a list of names, or *
line 8: targets[0].timeouts.connect: is not a duration: write 300ms, 3s, 2m or 1h30m
line 9: targets[0].timeouts.totl: unknown key (did you mean total?)
line 10: targets[0].retries: needs a whole number from 0 that fits 8 bits, found a number
line 12: targets[1].name: the key is given twice
line 13: targets[1].labels: needs a mapping, found a list
line 14: targets[1].timeouts.total: must not be below connect
line 15: cache: is not a size: write 512, 64KiB, 10MiB or 1GiB`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	var faults config.Faults
	if !errors.As(err, &faults) || len(faults) != 13 {
		t.Errorf("%d faults", len(faults))
	}
}

func TestFaults(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"not YAML", "a: [", "is not YAML"},
		{"no mapping", "- a", "needs a mapping, found a list"},
		{"two documents", "port: 1\n---\nport: 2", "more than one document"},
		{"broken second document", "port: 1\n---\n[", "more than one document"},
		{"anchor in itself", "anything: &a [*a]", "nested too deeply"},
		{"alias bomb", aliasBomb(), "nested too deeply or grows too large"},
		{"deep", "anything: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested too deeply"},
		{"merge into itself", "targets: [&a {<<: *a}]", "nested too deeply"},
		{"merge of a scalar", "targets: [{<<: 3}]", "a merge key needs a mapping"},
		{"key is a list", "? [a]\n: b", "a key must be plain text"},
		{"custom tag", "port: !secret x", "the tag !secret is not supported"},
		{"open brace", "plain: ${X", "no closing brace"},
		{"bad name", "plain: ${1X}", "does not name an environment variable"},
		{"unknown far key", "zzzzzzzzz: 1", "known here: anything, cache"},
		{"ignored field", "ignored: 1", "unknown key"},
		{"too large", "# " + strings.Repeat("x", 1<<20), "larger than 1MiB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r root
			err := config.Parse([]byte(tt.text), env(), &r)
			var faults config.Faults
			if !errors.As(err, &faults) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func aliasBomb() string {
	var b strings.Builder
	b.WriteString("anything:\n  a0: &a0 [x,x,x,x,x,x,x,x,x]\n")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&b, "  a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i-1), 9), ","))
	}
	return b.String()
}

func TestNoFaultShowsAnInterpolatedValue(t *testing.T) {
	const key = "sk-very-secret"
	text := "port: ${K}\ncache: ${K}\ndebug: ${K}\nanything: ${K}\ntargets: ${K}\nlog_level: [${K}]\n"
	var r root
	err := config.Parse([]byte(text), env("K", key), &r)
	if err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("got %v", err)
	}
	var quoting struct{ V quoting }
	err = config.Parse([]byte("v: ${K}"), env("K", key), &quoting)
	if err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("got %v", err)
	}
}

// quoting is a type whose errors show the value, as many do.
type quoting struct{}

func (*quoting) UnmarshalText(text []byte) error { return fmt.Errorf("bad value %q", text) }

func TestEnvironment(t *testing.T) {
	tests := []struct{ text, want string }{
		{"${A}", "va"},
		{"${A}${B}", "vavb"},
		{"${EMPTY:-d}", "d"},
		{"'${EMPTY}'", ""},
		{"${NONE:-}", "default"},
		{"'${NONE:-}'", ""},
		{"${NONE:-a:-b}", "a:-b"},
		{"$A", "$A"},
		{"$${A}", "${A}"},
		{"x$${A}${A}", "x${A}va"},
		{"${NEST}", "${A}"},
	}
	for _, tt := range tests {
		r := root{Plain: "default"}
		if err := config.Parse([]byte("plain: "+tt.text), env("A", "va", "B", "vb", "EMPTY", "", "NEST", "${A}"), &r); err != nil {
			t.Errorf("%s: %v", tt.text, err)
		} else if r.Plain != tt.want {
			t.Errorf("%s: got %q, want %q", tt.text, r.Plain, tt.want)
		}
	}
}

func TestKeysAreNotInterpolated(t *testing.T) {
	var r struct{ M map[string]int }
	if err := config.Parse([]byte("m: {'${A}': 1}"), env("A", "x"), &r); err != nil || r.M["${A}"] != 1 {
		t.Errorf("%v %v", r, err)
	}
}

func TestEmptyAndMissing(t *testing.T) {
	for _, text := range []string{"", "# only a comment\n", "---\n"} {
		r := root{Port: 7}
		if err := config.Parse([]byte(text), env(), &r); err != nil || r.Port != 7 {
			t.Errorf("%q: %v", text, err)
		}
	}
	var r root
	if err := config.Load("", env(), &r); err != nil {
		t.Error(err)
	}
	if err := config.Load(filepath.Join(t.TempDir(), "none.yaml"), env(), &r); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestNullKeepsDefaultsAndClearsLists(t *testing.T) {
	r := root{Port: 7, Targets: []target{{Name: "x"}}}
	if err := config.Parse([]byte("port:\ntargets:\n"), env(), &r); err != nil || r.Port != 7 || r.Targets != nil {
		t.Errorf("%v %+v", err, r)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	var r root
	err := config.Parse([]byte(b.String()), env(), &r)
	if err == nil || strings.Count(err.Error(), "\n") != 100 || !strings.HasSuffix(err.Error(), "and 4900 more") {
		t.Errorf("got %d lines", strings.Count(err.Error(), "\n"))
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"port: 1\ntargets: [{name: a, timeouts: {connect: 1s}}]", "plain: ${A}${B:-c}$${", "anything: &a [*a, {<<: *a}]",
		"? [a]\n: b", "a: !!binary x", "%YAML 1.1\n---\n", "\xff\xfe", "cache: 1e99TiB", "<<: [{port: 1}, *x]", aliasBomb(),
	} {
		f.Add([]byte(seed), "value")
	}
	f.Fuzz(func(t *testing.T, data []byte, value string) {
		var r root
		err := config.Parse(data, func(name string) (string, bool) { return value, name == "A" }, &r)
		var faults config.Faults
		if err != nil && (!errors.As(err, &faults) || len(faults) == 0) {
			t.Fatalf("an error without faults: %v", err)
		}
		for _, fault := range faults {
			if fault.Message == "" {
				t.Fatalf("an empty fault at %s", fault.Path)
			}
		}
	})
}

package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const routeConfig = `
targets:
- {name: east, provider: openai, api_key: k, models: [gpt-4o], region: us-east-1}
- {name: eu, provider: anthropic, api_key: k, models: {gpt-4o: claude-sonnet-4-5}, region: eu-central-1, compliance: [regulated]}
- {name: night, provider: openai-compatible, base_url: "http://127.0.0.1:1/v1", models: [gpt-4o], residency: [eu]}
routes:
- model: gpt-4o
  targets: [east, eu, night]
  rules:
  - {name: night-to-batch, when: 'time.getHours("Europe/Berlin") >= 22 || caller.team == "etl"', prefer: [night]}
  - {name: long-elsewhere, when: 'request.tokens > 50000', forbid: [east]}
`

// A rule is tried out without a server, at any time and for anybody.
func TestRouteExplainOffline(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tollgate.yaml")
	if err := os.WriteFile(file, []byte(routeConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	const noon, late = "--at=2026-07-01T12:00:00Z", "--at=2026-07-01T21:00:00Z"
	for name, c := range map[string]struct {
		args  []string
		want  []string // in this order
		fails string
	}{
		"by day":        {[]string{noon}, []string{"1      east", "2      eu", "3      night"}, ""},
		"by night":      {[]string{late}, []string{"rules that applied: night-to-batch", "1      night", "preferred by rule night-to-batch", "2      east"}, ""},
		"a team":        {[]string{noon, "--team=etl"}, []string{"1      night"}, ""},
		"long":          {[]string{noon, "--tokens=60000"}, []string{"1      eu", "-      east", "rejected: forbidden by rule long-elsewhere"}, ""},
		"in Europe":     {[]string{noon, "--residency=eu"}, []string{"1      eu", "2      night", "-      east", "does not|is not known to compute in eu"}, ""},
		"a key":         {[]string{noon, "--key-residency=eu", "--key-class=regulated"}, []string{"1      eu", "-      east", "-      night"}, ""},
		"nowhere":       {[]string{noon, "--residency=jp"}, []string{"-      east", "-      eu", "-      night"}, "no target can answer"},
		"no such model": {[]string{noon, "--model=x"}, nil, "model"},
		"as JSON":       {[]string{noon, "--json"}, []string{`"route"`, `"gpt-4o"`, `"candidates"`}, ""},
		"no server":     {[]string{"--url=http://127.0.0.1:1", "--team=etl", "--config="}, nil, "need --config"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			args := append([]string{"route", "explain", "--model=gpt-4o", "--config=" + file}, c.args...)
			if name == "no server" {
				args = []string{"route", "explain", "--team=etl"}
			}
			err := Run(context.Background(), append(args, "hello"), &out, &out)
			if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
				t.Fatalf("%v\n%s", err, &out)
			}
			rest := out.String()
			for _, want := range c.want {
				found := false
				for _, one := range strings.Split(want, "|") {
					if _, after, ok := strings.Cut(rest, one); ok && !found {
						rest, found = after, true
					}
				}
				if !found {
					t.Fatalf("%q is missing or in another place:\n%s", want, &out)
				}
			}
		})
	}
}

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Five faults of five kinds: an unknown key, a missing variable, a wrong type,
// an unknown provider and a route to a target that does not exist.
const faulty = `
htpp: {addr: 127.0.0.1:8080}
targets:
  - name: a
    provider: openai-compatible
    base_url: http://127.0.0.1:9100/v1
    api_key: ${E2E_NOT_SET_ANYWHERE}
    models: [m]
    timeouts: {first_token: soon}
  - name: b
    provider: opnai
    base_url: http://127.0.0.1:9100/v1
    models: [m]
routes:
  - model: m
    targets: [a, c]
`

func TestConfigCheckListsEveryFault(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "tollgate.yaml")
	if err := os.WriteFile(file, []byte(faulty), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, "config", "check", file).CombinedOutput()
	if err == nil {
		t.Fatalf("config check accepts a faulty file:\n%s", out)
	}
	for _, where := range []string{"line 2: htpp", "line 7: targets[0].api_key", "line 9: targets[0].timeouts.first_token", "line 11: targets[1].provider", "line 16: routes[0].targets[1]"} {
		if !strings.Contains(string(out), where) {
			t.Errorf("the fault at %s is not reported:\n%s", where, out)
		}
	}
}

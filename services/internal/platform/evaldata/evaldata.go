// Package evaldata finds the data that evaluation tests measure on. It is no
// part of the repository.
package evaldata

import (
	"os"
	"path/filepath"
	"testing"
)

// Env names the folder that holds the data. By default it lies beside the
// repository, in shared/data.
const Env = "TOLLGATE_EVAL_DATA"

// Dir returns a folder of the data. Where it is absent the test is skipped, but
// fails in continuous integration, which must not pass by skipping.
func Dir(tb testing.TB, name ...string) string {
	tb.Helper()
	base := os.Getenv(Env)
	if base == "" {
		base = filepath.Join(repository(tb), "..", "shared", "data")
	}
	dir := filepath.Join(append([]string{base}, name...)...)
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	if os.Getenv("CI") == "true" {
		tb.Fatalf("no evaluation data at %s: set %s", dir, Env)
	}
	tb.Skipf("NOT EVALUATED: no data at %s (set %s)", dir, Env)
	return ""
}

// repository is the folder of go.work.
func repository(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	if err != nil {
		tb.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			tb.Fatal("the repository's root was not found")
		}
		dir = up
	}
}

package budget

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWindowStart(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 30, 0, 0, time.FixedZone("east", 3600)) // 2026-02-28 23:30 UTC, a Saturday
	for window, want := range map[Window]string{
		Total: "1970-01-01", Day: "2026-02-28", Week: "2026-02-23", Month: "2026-02-01",
	} {
		if got := window.Start(at).Format(time.DateOnly); got != want {
			t.Errorf("%s: got %s, want %s", window, got, want)
		}
	}
	monday := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	if got := Week.Start(monday); !got.Equal(monday) {
		t.Errorf("a week that begins on Monday begins on %s", got)
	}
	if got := Week.Start(monday.Add(-time.Nanosecond)); !got.Equal(monday.AddDate(0, 0, -7)) {
		t.Errorf("Sunday belongs to the week of %s", got)
	}
}

func TestWindowStartIsAFixedPointBeforeItsMoment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "seconds"), 0)
		for _, window := range Windows {
			start := window.Start(at)
			if start.After(at) || !window.Start(start).Equal(start) {
				t.Fatalf("%s of %s begins at %s", window, at, start)
			}
		}
	})
}

func TestScopes(t *testing.T) {
	scopes := Scopes{Organization: "acme", Team: "eng", Key: "k1"}
	if got := scopes.Names(); !slices.Equal(got, []string{"organizations/acme", "teams/eng", "keys/k1"}) {
		t.Errorf("names %v", got)
	}
	if got := scopes.Narrowest(); got != "keys/k1" {
		t.Errorf("narrowest %s", got)
	}
	for name, want := range map[string]bool{
		"organizations/acme": true, "organizations/other": false, "teams/x": true, "users/x": true, "keys/x": true,
		"keys/": false, "keys": false, "models/x": false,
	} {
		if got := ValidScope("acme", name); got != want {
			t.Errorf("ValidScope(acme, %s) = %v", name, got)
		}
	}
}

package budget

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/billing/internal/money"
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

// oneBudget is a store with a single budget.
type oneBudget struct{ Store }

func (oneBudget) AllBudgets(context.Context) ([]Budget, error) {
	return []Budget{{ID: "b", Organization: "acme", Scope: "keys/k1", Window: Day, Limit: 5}}, nil
}

func (oneBudget) Reserve(context.Context, Hold) (Hold, error) {
	return Hold{}, errors.New("the store was asked")
}

func (oneBudget) Release(context.Context, string) error { return nil }

func (oneBudget) Expire(context.Context, time.Time, int) (int, error) { return 0, nil }

// TestScopesWithoutBudgetsDoNotReachTheStore also bounds what such a hold allocates.
func TestScopesWithoutBudgetsDoNotReachTheStore(t *testing.T) {
	index := NewIndex(oneBudget{})
	if err := index.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds := NewHolds(index, oneBudget{}, Limits{DefaultTTL: time.Minute, MaxTTL: time.Hour})
	ask := func(scopes Scopes, amount money.Amount) error {
		_, err := holds.Create(t.Context(), Request{RequestID: "r", Scopes: scopes, Amount: amount})
		return err
	}
	if err := ask(Scopes{Organization: "acme", Key: "k1"}, 1); err == nil {
		t.Error("a scope with a budget does not reach the store")
	}
	if err := ask(Scopes{Organization: "acme", Key: "k1"}, 0); err != nil {
		t.Errorf("nothing to reserve: %v", err)
	}
	unlimited := Scopes{Organization: "acme", Team: "eng", Key: "k2"}
	if err := ask(unlimited, 1); err != nil {
		t.Errorf("no budget: %v", err)
	}
	const ceiling = 4
	if got := testing.AllocsPerRun(100, func() { _ = ask(unlimited, 1) }); got > ceiling {
		t.Errorf("%v allocations, more than %d", got, ceiling)
	}
}

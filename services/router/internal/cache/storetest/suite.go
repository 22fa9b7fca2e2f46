// Package storetest holds what every store of kept answers must do.
package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/router/internal/cache"
)

// Subject is a store under test.
type Subject struct {
	// Store is empty.
	Store cache.Store
	// Unit is a short time for it, and Advance lets time pass.
	Unit    time.Duration
	Advance func(time.Duration)
}

// Run runs the suite; each test has a store of its own.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"what is put is got":      roundTrip,
		"tenants are apart":       tenantsApart,
		"a new value replaces":    replaces,
		"values end":              expires,
		"large values":            large,
		"many at once":            concurrent,
		"a cancelled caller":      cancelled,
		"names that look alike":   alike,
		"random tenants and keys": model,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// KeyOf makes a key.
func KeyOf(name string) cache.Key { return sha256.Sum256([]byte(name)) }

func put(t testing.TB, s cache.Store, tenant, key, value string, ttl time.Duration) {
	t.Helper()
	if err := s.Put(context.Background(), tenant, KeyOf(key), []byte(value), ttl); err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, s cache.Store, tenant, key, value string) {
	t.Helper()
	got, err := s.Get(context.Background(), tenant, KeyOf(key))
	if err != nil || string(got) != value || (value == "") != (got == nil) {
		t.Fatalf("%s of %s is %.40q, want %.40q (%v)", key, tenant, got, value, err)
	}
}

func roundTrip(t *testing.T, s Subject) {
	want(t, s.Store, "a", "k", "")
	put(t, s.Store, "a", "k", "value \x00\xff", time.Minute)
	want(t, s.Store, "a", "k", "value \x00\xff")
	want(t, s.Store, "a", "other", "")
}

func tenantsApart(t *testing.T, s Subject) {
	put(t, s.Store, "a", "k", "of a", time.Minute)
	want(t, s.Store, "b", "k", "")
	put(t, s.Store, "b", "k", "of b", time.Minute)
	want(t, s.Store, "a", "k", "of a")
	want(t, s.Store, "b", "k", "of b")
}

func replaces(t *testing.T, s Subject) {
	put(t, s.Store, "a", "k", "one", s.Unit)
	put(t, s.Store, "a", "k", "two", time.Hour)
	want(t, s.Store, "a", "k", "two")
	s.Advance(2 * s.Unit)
	want(t, s.Store, "a", "k", "two")
}

func expires(t *testing.T, s Subject) {
	put(t, s.Store, "a", "short", "x", s.Unit)
	put(t, s.Store, "a", "long", "y", time.Hour)
	want(t, s.Store, "a", "short", "x")
	s.Advance(s.Unit + s.Unit/4)
	want(t, s.Store, "a", "short", "")
	want(t, s.Store, "a", "long", "y")
}

func large(t *testing.T, s Subject) {
	for _, n := range []int{0, 1, 4095, 4096, 100_000, 1 << 20} {
		text := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n+1]
		put(t, s.Store, "a", fmt.Sprint(n), string(text), time.Minute)
		want(t, s.Store, "a", fmt.Sprint(n), string(text))
	}
}

func concurrent(t *testing.T, s Subject) {
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			tenant := fmt.Sprint(i % 3)
			for j := range 50 {
				key := fmt.Sprint(j % 10)
				if err := s.Store.Put(context.Background(), tenant, KeyOf(key), []byte(tenant+"/"+key), time.Minute); err != nil {
					t.Error(err)
				}
				got, err := s.Store.Get(context.Background(), tenant, KeyOf(key))
				if err != nil || string(got) != tenant+"/"+key {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	wait.Wait()
}

// A caller that has gone may get an error or the value, never another's value.
func cancelled(t *testing.T, s Subject) {
	put(t, s.Store, "a", "k", "x", time.Minute)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if got, err := s.Store.Get(ctx, "a", KeyOf("k")); err == nil && string(got) != "x" && got != nil {
		t.Errorf("got %q", got)
	}
}

func alike(t *testing.T, s Subject) {
	for i, tenant := range []string{"a", "a:", "a/b", "a%2Fb", "{a}", "ä", "a b", "*"} {
		put(t, s.Store, tenant, "k", fmt.Sprint(i), time.Minute)
	}
	for i, tenant := range []string{"a", "a:", "a/b", "a%2Fb", "{a}", "ä", "a b", "*"} {
		want(t, s.Store, tenant, "k", fmt.Sprint(i))
	}
}

// model compares the store with a map: what is got is what the same tenant put last.
func model(t *testing.T, s Subject) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		kept := map[[2]string]string{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			tenant := fmt.Sprint(round, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "tenant"))
			key := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "key")
			if rapid.Bool().Draw(rt, "put") {
				value := rapid.StringN(1, 20, -1).Draw(rt, "value")
				put(t, s.Store, tenant, key, value, time.Hour)
				kept[[2]string{tenant, key}] = value
			}
			want(t, s.Store, tenant, key, kept[[2]string{tenant, key}])
		}
	})
}

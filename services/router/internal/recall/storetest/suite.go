// Package storetest holds what everything must do that keeps what clients come
// back to.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/router/internal/packed"
)

// Store is what is tested.
type Store interface {
	Put(ctx context.Context, owner, id string, data []byte) error
	Get(ctx context.Context, owner, id string) ([]byte, error)
	Delete(ctx context.Context, owner, id string) (bool, error)
}

// Backend makes stores to be tested.
type Backend struct {
	// Open makes an empty store that keeps things for a time.
	Open func(t *testing.T, ttl time.Duration) Store
	// Unit is a short time for it, and Advance lets time pass.
	Unit    time.Duration
	Advance func(time.Duration)
	// TooLarge is a size of random bytes that it does not keep.
	TooLarge int
}

// Run runs the suite; each test has a store of its own.
func Run(t *testing.T, b Backend) {
	for name, test := range map[string]func(*testing.T, Store){
		"what is put is got":     roundTrip,
		"owners are apart":       ownersApart,
		"names that look alike":  alike,
		"new data replaces":      replaces,
		"what is deleted":        deleted,
		"large data":             large,
		"many at once":           concurrent,
		"random owners and ids":  model,
		"one deletes, all after": deletedOnce,
	} {
		t.Run(name, func(t *testing.T) { test(t, b.Open(t, time.Hour)) })
	}
	t.Run("time is over", func(t *testing.T) { expires(t, b) })
	t.Run("too large", func(t *testing.T) { tooLarge(t, b.Open(t, time.Hour), b.TooLarge) })
}

func put(t testing.TB, s Store, owner, id, data string) {
	t.Helper()
	if err := s.Put(context.Background(), owner, id, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func want(t testing.TB, s Store, owner, id, data string) {
	t.Helper()
	got, err := s.Get(context.Background(), owner, id)
	if err != nil || string(got) != data || (data == "") != (got == nil) {
		t.Fatalf("%s of %s is %.40q, want %.40q (%v)", id, owner, got, data, err)
	}
}

func remove(t testing.TB, s Store, owner, id string, there bool) {
	t.Helper()
	if got, err := s.Delete(context.Background(), owner, id); err != nil || got != there {
		t.Fatalf("deleting %s of %s says %v, want %v (%v)", id, owner, got, there, err)
	}
}

func roundTrip(t *testing.T, s Store) {
	want(t, s, "o/t/user/a", "resp_1", "")
	put(t, s, "o/t/user/a", "resp_1", "data \x00\xff")
	want(t, s, "o/t/user/a", "resp_1", "data \x00\xff")
	want(t, s, "o/t/user/a", "resp_2", "")
}

func ownersApart(t *testing.T, s Store) {
	put(t, s, "a", "x", "of a")
	want(t, s, "b", "x", "")
	remove(t, s, "b", "x", false)
	want(t, s, "a", "x", "of a")
	put(t, s, "b", "x", "of b")
	remove(t, s, "b", "x", true)
	want(t, s, "a", "x", "of a")
}

// Clients choose the ids that they ask for; an owner may be called anything.
func alike(t *testing.T, s Store) {
	names := [][2]string{
		{"a", "b:c"},
		{"a:b", "c"},
		{"a", "b%3Ac"},
		{"a%3Ab", "c"},
		{"", "a:b:c"},
		{"a:b:c", ""},
		{"a/b", "c"},
		{"a", "b/c"},
		{"a b", "c"},
		{"a+b", "c"},
		{"*", "c"},
		{"{a}", "c"},
		{"ä", "c"},
		{"a\r\n", "c"},
	}
	for i, n := range names {
		want(t, s, n[0], n[1], "")
		put(t, s, n[0], n[1], fmt.Sprint(i))
	}
	for i, n := range names {
		want(t, s, n[0], n[1], fmt.Sprint(i))
	}
}

func replaces(t *testing.T, s Store) {
	put(t, s, "a", "x", "one")
	put(t, s, "a", "x", "two")
	want(t, s, "a", "x", "two")
}

func deleted(t *testing.T, s Store) {
	remove(t, s, "a", "x", false)
	put(t, s, "a", "x", "one")
	put(t, s, "a", "y", "two")
	remove(t, s, "a", "x", true)
	want(t, s, "a", "x", "")
	want(t, s, "a", "y", "two")
	remove(t, s, "a", "x", false)
}

// Of many who delete, one is told that it was there.
func deletedOnce(t *testing.T, s Store) {
	put(t, s, "a", "x", "one")
	var wait sync.WaitGroup
	told := make(chan bool, 8)
	for range cap(told) {
		wait.Go(func() {
			there, err := s.Delete(context.Background(), "a", "x")
			if err != nil {
				t.Error(err)
			}
			told <- there
		})
	}
	wait.Wait()
	close(told)
	n := 0
	for there := range told {
		if there {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d were told that it was there", n)
	}
}

func large(t *testing.T, s Store) {
	for _, n := range []int{1, 4095, 4096, 100_000, 4 << 20} {
		data := bytes.Repeat([]byte("0123456789abcdef"), n/16+1)[:n]
		put(t, s, "a", fmt.Sprint(n), string(data))
		want(t, s, "a", fmt.Sprint(n), string(data))
	}
}

// What is not kept is said not to be.
func tooLarge(t *testing.T, s Store, size int) {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // never fails
	if err := s.Put(context.Background(), "a", "x", data); !errors.Is(err, packed.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
	want(t, s, "a", "x", "")
}

func expires(t *testing.T, b Backend) {
	s := b.Open(t, b.Unit)
	put(t, s, "a", "x", "one")
	want(t, s, "a", "x", "one")
	b.Advance(b.Unit / 2)
	put(t, s, "a", "y", "two")
	b.Advance(b.Unit * 3 / 4)
	want(t, s, "a", "x", "")
	want(t, s, "a", "y", "two")
	remove(t, s, "a", "x", false)
	b.Advance(b.Unit)
	want(t, s, "a", "y", "")
}

func concurrent(t *testing.T, s Store) {
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			owner := fmt.Sprint(i)
			for j := range 50 {
				id := fmt.Sprint(j % 10)
				if err := s.Put(context.Background(), owner, id, []byte(owner+"/"+id)); err != nil {
					t.Error(err)
				}
				got, err := s.Get(context.Background(), owner, id)
				if err != nil || string(got) != owner+"/"+id {
					t.Errorf("got %q, %v", got, err)
				}
			}
		})
	}
	wait.Wait()
}

// model compares the store with a map: what is got is what the same owner put
// last and has not deleted.
func model(t *testing.T, s Store) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		kept := map[[2]string]string{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			owner := fmt.Sprint(round, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "owner"))
			id := rapid.SampledFrom([]string{"1", "2", "3"}).Draw(rt, "id")
			name := [2]string{owner, id}
			switch rapid.IntRange(0, 2).Draw(rt, "step") {
			case 0:
				kept[name] = rapid.StringN(1, 20, -1).Draw(rt, "data")
				put(t, s, owner, id, kept[name])
			case 1:
				remove(t, s, owner, id, kept[name] != "")
				delete(kept, name)
			}
			want(t, s, owner, id, kept[name])
		}
	})
}

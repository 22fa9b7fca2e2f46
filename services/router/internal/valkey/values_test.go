package valkey

import (
	"context"
	"errors"
	"testing"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"

	"github.com/tollgate/tollgate/services/internal/platform/valkeytest"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/cache/storetest"
)

// Kept answers behave here as they do in memory.
func TestAnswersAreKept(t *testing.T) {
	r, _ := join(t, configFor(valkeytest.Start(t)))
	together(t, r)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		if _, err := r.client.do(context.Background(), func(b valkeygo.Builder) valkeygo.Completed { return b.Flushall().Build() }); err != nil {
			t.Fatal(err)
		}
		return storetest.Subject{Store: cache.NewRemote(r.client), Unit: 150 * time.Millisecond, Advance: time.Sleep}
	})
}

// What Valkey refuses, as it does without memory, is an error of the one who
// asked; it is not away for the others.
func TestARefusalIsNoOutage(t *testing.T) {
	r, _ := join(t, configFor(valkeytest.Start(t)))
	together(t, r)
	for _, value := range []string{"1mb", "0"} {
		if _, err := r.client.do(context.Background(), func(b valkeygo.Builder) valkeygo.Completed {
			return b.ConfigSet().ParameterValue().ParameterValue("maxmemory", value).Build()
		}); err != nil {
			t.Fatal(err)
		}
		err := cache.NewRemote(r.client).Put(context.Background(), "a", storetest.KeyOf("k"), []byte("x"), time.Minute)
		if (err != nil) != (value != "0") {
			t.Errorf("with %s: %v", value, err)
		}
		if !r.client.Up() {
			t.Fatal("it counts as away")
		}
	}
}

// Without Valkey nothing is found, at once.
func TestAnswersWhileAway(t *testing.T) {
	server := valkeytest.Start(t)
	r, _ := join(t, configFor(server))
	together(t, r)
	store := cache.NewRemote(r.client)
	server.Stop(t)
	began := time.Now()
	for range 100 {
		if got, err := store.Get(context.Background(), "a", storetest.KeyOf("k")); err == nil || got != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if err := store.Put(context.Background(), "a", storetest.KeyOf("k"), []byte("x"), time.Minute); !errors.Is(err, ErrAway) {
		t.Errorf("put: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("a hundred look-ups took %v", took)
	}
}

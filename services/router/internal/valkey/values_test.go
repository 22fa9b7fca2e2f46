package valkey

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/valkeytest"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/cache/storetest"
	"github.com/tollgate/tollgate/services/router/internal/recall"
	recalltest "github.com/tollgate/tollgate/services/router/internal/recall/storetest"
)

// Kept answers behave here as they do in memory.
func TestAnswersAreKept(t *testing.T) {
	r, _ := join(t, configFor(valkeytest.Start(t)))
	together(t, r)
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		empty(t, r)
		return storetest.Subject{Store: cache.NewRemote(r.client), Unit: 150 * time.Millisecond, Advance: time.Sleep}
	})
}

func empty(t *testing.T, r *Replica) {
	t.Helper()
	if _, err := r.client.do(context.Background(), func(b valkeygo.Builder) valkeygo.Completed { return b.Flushall().Build() }); err != nil {
		t.Fatal(err)
	}
}

// What clients come back to is kept here as it is in memory, and every router
// finds it.
func TestResponsesAreKept(t *testing.T) {
	server := valkeytest.Start(t)
	a, _ := join(t, configFor(server))
	b, _ := join(t, configFor(server))
	together(t, a, b)
	recalltest.Run(t, recalltest.Backend{
		Open: func(t *testing.T, ttl time.Duration) recalltest.Store {
			empty(t, a)
			return &either{stores: [2]*recall.Remote{recall.NewRemote(a.client, ttl), recall.NewRemote(b.client, ttl)}}
		},
		Unit: time.Second, Advance: time.Sleep, TooLarge: 1<<20 + 1,
	})
}

// either asks two routers by turns, as a load balancer does.
type either struct {
	stores [2]*recall.Remote
	turn   atomic.Int64
}

func (e *either) next() *recall.Remote { return e.stores[e.turn.Add(1)%2] }

func (e *either) Put(ctx context.Context, owner, id string, data []byte) error {
	return e.next().Put(ctx, owner, id, data)
}

func (e *either) Get(ctx context.Context, owner, id string) ([]byte, error) {
	return e.next().Get(ctx, owner, id)
}

func (e *either) Delete(ctx context.Context, owner, id string) (bool, error) {
	return e.next().Delete(ctx, owner, id)
}

// Nobody is told that nothing was kept while that cannot be known.
func TestResponsesWhileAway(t *testing.T) {
	server := valkeytest.Start(t)
	r, _ := join(t, configFor(server))
	together(t, r)
	store := recall.NewRemote(r.client, time.Minute)
	if err := store.Put(context.Background(), "a", "x", []byte("one")); err != nil {
		t.Fatal(err)
	}
	server.Freeze(t)
	_, errGet := store.Get(context.Background(), "a", "x")
	_, errDelete := store.Delete(context.Background(), "a", "x")
	for what, err := range map[string]error{"get": errGet, "delete": errDelete} {
		e := errs.From(err)
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE) || e.RetryAfter <= 0 || strings.Contains(e.Message, server.Addr) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := store.Put(context.Background(), "a", "y", []byte("two")); !errors.Is(err, ErrAway) {
		t.Errorf("put: %v", err)
	}
	server.Thaw(t)
	together(t, r)
	if got, err := store.Get(context.Background(), "a", "x"); err != nil || string(got) != "one" {
		t.Errorf("it is back with %q, %v", got, err)
	}
}

// What is kept ends by itself, under a name of its own.
func TestResponsesAreNamed(t *testing.T) {
	cfg := configFor(valkeytest.Start(t))
	cfg.Prefix = "prod"
	r, _ := join(t, cfg)
	together(t, r)
	if err := recall.NewRemote(r.client, time.Minute).Put(context.Background(), "o/t/user/u", "resp_1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	key := "prod:recall:1:o%2Ft%2Fuser%2Fu:resp_1"
	ttl, err := r.client.inner.Do(t.Context(), r.client.inner.B().Ttl().Key(key).Build()).AsInt64()
	if err != nil || ttl < 50 || ttl > 60 {
		t.Errorf("it lasts for %d s (%v)", ttl, err)
	}
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

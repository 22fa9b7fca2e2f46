package store_test

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/rag/internal/qdrantlocal"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store"
	"github.com/tollgate/tollgate/services/rag/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEmbedded(t *testing.T) {
	server, err := qdrantlocal.Open(t.TempDir(), qdrantlocal.Options{Sync: qdrantlocal.SyncNever})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	storetest.Run(t, func(t testing.TB, opts ...grpc.DialOption) *qdrant.Client {
		client, err := store.DialEmbedded(server, opts...)
		return closing(t, client, err)
	})
}

// TestQdrant runs the same suite against a real server, given its address.
func TestQdrant(t *testing.T) {
	addr := os.Getenv("TOLLGATE_TEST_QDRANT_ADDR")
	if addr == "" {
		t.Skip("TOLLGATE_TEST_QDRANT_ADDR is not set")
	}
	storetest.Run(t, func(t testing.TB, opts ...grpc.DialOption) *qdrant.Client {
		client, err := store.Dial(store.Remote{Addr: addr, APIKey: secret.New(os.Getenv("TOLLGATE_TEST_QDRANT_API_KEY"))}, opts...)
		return closing(t, client, err)
	})
}

func closing(t testing.TB, client *qdrant.Client, err error) *qdrant.Client {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestServerAwayIsUnavailable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	client, err := store.Dial(store.Remote{Addr: addr})
	s := store.New(closing(t, client, err), store.Options{Timeout: time.Second})
	_, err = s.Search(t.Context(), "o", nil, sparse.Query("tiger"), 1)
	if got := errs.From(err).Reason; got != llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE {
		t.Errorf("%v: %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Search(ctx, "o", nil, sparse.Query("tiger"), 1)
	if got := errs.From(err).Reason; got != llmv1.ErrorReason_ERROR_REASON_CANCELLED {
		t.Errorf("cancelled: %v: %v", got, err)
	}
}

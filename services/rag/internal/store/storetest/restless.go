package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store"
)

// A document that is replaced under each of a search's first looks is found
// whole once it holds still.
func restless(t *testing.T, newClient NewClient) {
	const chunks, rounds = 3, 20
	f := fresh(t, newClient)
	f.replace(t, "o", "c", "d", "v0", "tiger", chunks)
	var looks atomic.Int64
	f.Store = store.New(newClient(t, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, opts...)
			if strings.HasSuffix(method, "/Query") {
				if n := looks.Add(1); n <= rounds {
					f.replace(t, "o", "c", "d", fmt.Sprintf("v%d", n), "tiger", chunks)
				}
			}
			return err
		})), store.Options{Prefix: f.prefix})
	hits, err := f.Search(t.Context(), "o", nil, sparse.Query("tiger"), chunks)
	if err != nil || len(hits) != chunks {
		t.Fatalf("%d hits, %v", len(hits), err)
	}
	for _, h := range hits {
		if want := fmt.Sprintf("v%d", rounds); h.Document.Version != want {
			t.Errorf("a chunk of %s, want %s", h.Document.Version, want)
		}
	}
}

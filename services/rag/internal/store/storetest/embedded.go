package storetest

import (
	"testing"

	"github.com/tollgate/tollgate/services/rag/internal/qdrantlocal"
	"github.com/tollgate/tollgate/services/rag/internal/store"
)

// Embedded gives an empty store on an embedded server that ends with the test.
func Embedded(t testing.TB) *store.Store {
	t.Helper()
	server, err := qdrantlocal.Open(t.TempDir(), qdrantlocal.Options{Sync: qdrantlocal.SyncNever})
	must(t, err)
	client, err := store.DialEmbedded(server)
	must(t, err)
	t.Cleanup(func() {
		_ = client.Close()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	s := store.New(client, store.Options{})
	must(t, s.Prepare(t.Context()))
	return s
}

// Package storetest holds the one suite that the document store must pass over
// every server it may run on.
package storetest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store"
)

// NewClient connects to the server under test. Clients made with one t reach
// the same server.
type NewClient func(t testing.TB, opts ...grpc.DialOption) *qdrant.Client

// Run runs the suite.
func Run(t *testing.T, newClient NewClient) {
	t.Run("Collections", func(t *testing.T) { collections(t, fresh(t, newClient)) })
	t.Run("Documents", func(t *testing.T) { documents(t, fresh(t, newClient)) })
	t.Run("Scores", func(t *testing.T) { scores(t, fresh(t, newClient)) })
	t.Run("Tenancy", func(t *testing.T) { tenancy(t, fresh(t, newClient)) })
	t.Run("ReplaceIsAtomic", func(t *testing.T) { replaceIsAtomic(t, fresh(t, newClient)) })
	t.Run("Restless", func(t *testing.T) { restless(t, newClient) })
	t.Run("CrashAnywhere", func(t *testing.T) { crashAnywhere(t, newClient) })
	t.Run("Delete", func(t *testing.T) { deletes(t, fresh(t, newClient)) })
	t.Run("Records", func(t *testing.T) { records(t, fresh(t, newClient)) })
	t.Run("Retries", func(t *testing.T) { retries(t, newClient) })
}

type fixture struct {
	*store.Store
	client *qdrant.Client
	prefix string
}

// fresh makes an empty store under a name of its own and removes it at the end.
func fresh(t *testing.T, newClient NewClient) fixture {
	t.Helper()
	f := fixture{client: newClient(t), prefix: "test_" + strings.ReplaceAll(uuid.NewString(), "-", "")}
	f.Store = store.New(f.client, store.Options{Prefix: f.prefix})
	for range 2 { // making it twice changes nothing
		must(t, f.Prepare(t.Context()))
	}
	t.Cleanup(func() {
		for _, name := range []string{"_chunks", "_meta"} {
			if err := f.client.DeleteCollection(context.WithoutCancel(t.Context()), f.prefix+name); err != nil {
				t.Error(err)
			}
		}
	})
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// build makes a document whose chunks all say the same words.
func build(collection, name, version, words string, chunks int) (corpus.Document, []corpus.Chunk) {
	doc := corpus.Document{
		Collection: collection, Name: name, Title: "Title of " + name, URI: "file:///" + name, MediaType: "text/plain",
		Metadata: map[string]string{"k": "v"}, Size: 123, Hash: "hash-" + version, Version: version, Chunks: chunks,
		Updated: time.UnixMilli(1_700_000_000_000).UTC(),
	}
	var out []corpus.Chunk
	for i := range chunks {
		out = append(out, corpus.Chunk{
			Ordinal: i, Start: 10 * i, End: 10*i + 9, Text: fmt.Sprintf("%s %s %d", version, words, i),
			Headings: []string{"A", "B"}, Terms: sparse.DefaultParams().Document("", words),
		})
	}
	return doc, out
}

func (f fixture) replace(t testing.TB, org, collection, name, version, words string, chunks int) {
	t.Helper()
	doc, list := build(collection, name, version, words, chunks)
	must(t, f.Replace(t.Context(), org, doc, list))
}

func (f fixture) find(t testing.TB, org, words string, collections ...string) []corpus.Hit {
	t.Helper()
	hits, err := f.Search(t.Context(), org, collections, sparse.Query(words), 100)
	must(t, err)
	return hits
}

func (f fixture) stored(t testing.TB, conditions ...*qdrant.Condition) int {
	t.Helper()
	n, err := f.client.Count(t.Context(), &qdrant.CountPoints{
		CollectionName: f.prefix + "_chunks", Exact: qdrant.PtrOf(true), Filter: &qdrant.Filter{Must: conditions},
	})
	must(t, err)
	return int(n) // a count
}

func collections(t *testing.T, f fixture) {
	ctx := t.Context()
	if _, ok, err := f.Collection(ctx, "o", "b"); ok || err != nil {
		t.Fatalf("found %v, %v", ok, err)
	}
	made := time.UnixMilli(1_700_000_000_123).UTC()
	for _, n := range []string{"b", "a", "c"} {
		must(t, f.PutCollection(ctx, "o", corpus.Collection{Name: n, Description: "about " + n, Created: made}))
	}
	got, ok, err := f.Collection(ctx, "o", "b")
	if want := (corpus.Collection{Name: "b", Description: "about b", Created: made}); !ok || err != nil || got != want {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
	f.replace(t, "o", "b", "one", "v1", "tiger", 3)
	f.replace(t, "o", "b", "two", "v1", "tiger", 2)
	f.replace(t, "o", "c", "one", "v1", "tiger", 1)
	if n, err := f.Counts(ctx, "o", "b"); err != nil || n != (corpus.Counts{Documents: 2, Chunks: 5}) {
		t.Errorf("counts %+v, %v", n, err)
	}
	must(t, f.DeleteCollection(ctx, "o", "b"))
	if n, err := f.Counts(ctx, "o", "b"); err != nil || n != (corpus.Counts{}) {
		t.Errorf("counts of a deleted collection %+v, %v", n, err)
	}
	if hits := f.find(t, "o", "tiger"); len(hits) != 1 || hits[0].Document.Collection != "c" {
		t.Errorf("hits %+v", hits)
	}
	list, err := f.Collections(ctx, "o")
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "c" {
		t.Errorf("list %+v, %v", list, err)
	}
}

func documents(t *testing.T, f fixture) {
	ctx := t.Context()
	doc, chunks := build("c", "d", "v1", "tiger", 300) // more than one upsert holds
	must(t, f.Replace(ctx, "o", doc, chunks))
	got, ok, err := f.Document(ctx, "o", "c", "d")
	if !ok || err != nil || fmt.Sprint(got) != fmt.Sprint(doc) {
		t.Errorf("got %+v, %v, %v; want %+v", got, ok, err, doc)
	}
	hits := f.find(t, "o", "tiger")
	if len(hits) != 100 {
		t.Fatalf("%d hits", len(hits))
	}
	h := hits[0]
	want := chunks[h.Chunk.Ordinal]
	if h.Chunk.Text != want.Text || h.Chunk.Start != want.Start || h.Chunk.End != want.End || !slices.Equal(h.Chunk.Headings, want.Headings) {
		t.Errorf("chunk %+v, want %+v", h.Chunk, want)
	}
	before := h.Chunk.ID
	must(t, f.Replace(ctx, "o", doc, chunks))
	if n := f.stored(t); n != 300 {
		t.Errorf("%d chunks after storing the same again", n)
	}
	if !slices.ContainsFunc(f.find(t, "o", "tiger"), func(h corpus.Hit) bool { return h.Chunk.ID == before }) {
		t.Error("the same content has other ids")
	}
	for i := range 5 {
		f.replace(t, "o", "many", fmt.Sprint(i), "v1", "lion", 1)
	}
	seen := map[string]bool{}
	token := ""
	for pages := 0; ; pages++ {
		page, next, err := f.Documents(ctx, "o", "many", token, 2)
		must(t, err)
		for _, d := range page {
			seen[d.Name] = true
		}
		if token = next; token == "" || pages > 5 {
			break
		}
	}
	if len(seen) != 5 {
		t.Errorf("listed %v", seen)
	}
}

// Scores are BM25: stored weights times the IDF.
func scores(t *testing.T, f fixture) {
	f.replace(t, "o", "c", "one", "v1", "tiger tiger lion", 1)
	f.replace(t, "o", "c", "two", "v1", "lion bear", 1)
	f.replace(t, "o", "e", "three", "v1", "bear", 1)
	want := func(words, text string, n, df float64) float64 {
		weight := sparse.DefaultParams().Document("", text)
		at := slices.Index(weight.Indices, sparse.Query(words).Indices[0])
		return float64(weight.Values[at]) * math.Log((n-df+0.5)/(df+0.5)+1)
	}
	check := func(words string, expected float64, names ...string) {
		t.Helper()
		hits := f.find(t, "o", words)
		var got []string
		for _, h := range hits {
			got = append(got, h.Document.Name)
		}
		if !slices.Equal(got, names) {
			t.Fatalf("%s: found %v, want %v", words, got, names)
		}
		if math.Abs(hits[0].Score-expected) > 1e-4 {
			t.Errorf("%s: score %v, want %v", words, hits[0].Score, expected)
		}
	}
	check("tiger", want("tiger", "tiger tiger lion", 3, 1), "one")
	check("bear", want("bear", "bear", 3, 2), "three", "two")
	if _, err := f.DeleteDocument(t.Context(), "o", "e", "three"); err != nil {
		t.Fatal(err)
	}
	if hits := f.find(t, "o", "bear"); len(hits) != 1 || hits[0].Document.Name != "two" {
		t.Errorf("after a deletion: %+v", hits) // its score is not compared: Qdrant's IDF may lag behind deletions
	}
	if hits := f.find(t, "o", "lion", "e"); len(hits) != 0 {
		t.Errorf("a search in another collection found %d", len(hits))
	}
	if hits := f.find(t, "o", "lion", "c", "e"); len(hits) != 2 {
		t.Errorf("a search in two collections found %d", len(hits))
	}
	if hits := f.find(t, "o", "the of"); hits != nil {
		t.Errorf("a search for stop words found %d", len(hits))
	}
}

// Every method is tried by another organisation and by none.
func tenancy(t *testing.T, f fixture) {
	ctx := t.Context()
	must(t, f.PutCollection(ctx, "mine", corpus.Collection{Name: "c"}))
	must(t, f.PutRecord(ctx, "mine", corpus.Record{Kind: "k", Name: "n", Body: "secret"}))
	f.replace(t, "mine", "c", "d", "v1", "tiger", 2)
	doc, chunks := build("c", "d", "v2", "lion", 1)

	for _, org := range []string{"theirs", ""} {
		refused := func(what string, found bool, err error) {
			t.Helper()
			if found {
				t.Errorf("%q sees %s", org, what)
			}
			if org == "" && err == nil {
				t.Errorf("%s without an organisation is not refused", what)
			}
			if org != "" && err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		hits, err := f.Search(ctx, org, nil, sparse.Query("tiger"), 10)
		refused("a search", len(hits) > 0, err)
		hits, err = f.Search(ctx, org, []string{"c"}, sparse.Query("tiger"), 10)
		refused("a search in a collection", len(hits) > 0, err)
		_, ok, err := f.Document(ctx, org, "c", "d")
		refused("a document", ok, err)
		list, _, err := f.Documents(ctx, org, "c", "", 10)
		refused("a list", len(list) > 0, err)
		n, err := f.Counts(ctx, org, "c")
		refused("counts", n != corpus.Counts{}, err)
		_, ok, err = f.Collection(ctx, org, "c")
		refused("a collection", ok, err)
		cs, err := f.Collections(ctx, org)
		refused("collections", len(cs) > 0, err)
		rs, err := f.Records(ctx, org, "k", "")
		refused("records", len(rs) > 0, err)
		ok, err = f.DeleteDocument(ctx, org, "c", "d")
		refused("a deletion", ok, err)
		refused("a deletion of a collection", false, f.DeleteCollection(ctx, org, "c"))
		refused("a deletion of a record", false, f.DeleteRecords(ctx, org, "k", "n"))
		refused("an ingest", false, f.Replace(ctx, org, doc, chunks))
		refused("a new collection", false, f.PutCollection(ctx, org, corpus.Collection{Name: "c"}))
		refused("a new record", false, f.PutRecord(ctx, org, corpus.Record{Kind: "k", Name: "n", Body: "other"}))
	}

	if hits := f.find(t, "mine", "tiger lion"); len(hits) != 2 || !strings.HasPrefix(hits[0].Chunk.Text, "v1") {
		t.Errorf("what others did shows: %+v", hits)
	}
	if rs, err := f.Records(ctx, "mine", "k", "n"); err != nil || len(rs) != 1 || rs[0].Body != "secret" {
		t.Errorf("records %+v, %v", rs, err)
	}
	if _, ok, err := f.Collection(ctx, "mine", "c"); !ok || err != nil {
		t.Errorf("collection gone: %v", err)
	}
}

// While a document is replaced over and over, every search finds all of one
// version and nothing of another.
func replaceIsAtomic(t *testing.T, f fixture) {
	const chunks, rounds = 4, 25
	f.replace(t, "o", "c", "d", "v0", "tiger", chunks)
	var done atomic.Bool
	var searches atomic.Int64
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for !done.Load() {
				hits, err := f.Search(t.Context(), "o", nil, sparse.Query("tiger"), chunks)
				if err != nil {
					t.Error(err)
					return
				}
				versions := map[string]int{}
				for _, h := range hits {
					version, _, _ := strings.Cut(h.Chunk.Text, " ")
					versions[version]++
					if h.Document.Version != version {
						t.Errorf("chunk of %s with the description of %s", version, h.Document.Version)
					}
				}
				if len(versions) != 1 || len(hits) != chunks {
					t.Errorf("one search saw %v", versions)
					return
				}
				searches.Add(1)
			}
		})
	}
	for i := range rounds {
		f.replace(t, "o", "c", "d", fmt.Sprintf("v%d", i+1), "tiger", chunks)
	}
	done.Store(true)
	readers.Wait()
	if searches.Load() == 0 {
		t.Error("nothing was searched meanwhile")
	}
	if n := f.stored(t); n != chunks {
		t.Errorf("%d chunks stored at the end, want %d", n, chunks)
	}
}

// dying answers Unavailable to every write after the first n.
func dying(n *atomic.Int64) grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if strings.HasSuffix(method, "/Upsert") || strings.HasSuffix(method, "/Delete") {
			if n.Add(-1) < 0 {
				return status.Error(codes.DataLoss, "the process died here")
			}
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	})
}

// A replacement that stops after any number of writes leaves the old version
// or the new one, whole; Sweep then leaves nothing else behind.
func crashAnywhere(t *testing.T, newClient NewClient) {
	const writes = 6 // more than a replacement makes
	for allowed := range int64(writes + 1) {
		t.Run(fmt.Sprintf("after %d writes", allowed), func(t *testing.T) {
			f := fresh(t, newClient)
			f.replace(t, "o", "c", "d", "old", "tiger", 3)
			var left atomic.Int64
			left.Store(allowed)
			mortal := store.New(newClient(t, dying(&left)), store.Options{Prefix: f.prefix})
			doc, chunks := build("c", "d", "new", "tiger", 2)
			replaced := mortal.Replace(t.Context(), "o", doc, chunks) == nil
			wholeVersion(t, f, replaced)

			if _, err := f.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			hits := wholeVersion(t, f, replaced)
			if n := f.stored(t); n != hits {
				t.Errorf("%d chunks stored after the sweep, %d of them found", n, hits)
			}
			if again, err := f.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil || again != 0 {
				t.Errorf("the second sweep found %d, %v", again, err)
			}

			left.Store(allowed)
			_, _ = mortal.DeleteDocument(t.Context(), "o", "c", "d")
			if hits := f.find(t, "o", "tiger"); allowed > 0 && len(hits) != 0 {
				t.Errorf("%d chunks found of a document that was being deleted", len(hits))
			}
			if _, err := f.Sweep(t.Context(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			if n := f.stored(t); allowed > 0 && n != 0 {
				t.Errorf("%d chunks stored of a deleted document", n)
			}
			f.replace(t, "o", "c", "d", "old", "tiger", 3)
			wholeVersion(t, f, false)
		})
	}
}

func wholeVersion(t *testing.T, f fixture, replaced bool) int {
	t.Helper()
	versions := map[string]int{}
	for _, h := range f.find(t, "o", "tiger") {
		version, _, _ := strings.Cut(h.Chunk.Text, " ")
		versions[version]++
	}
	switch {
	case len(versions) == 1 && versions["new"] == 2:
		return 2
	case len(versions) == 1 && versions["old"] == 3 && !replaced:
		return 3
	}
	t.Fatalf("found %v (replaced: %v)", versions, replaced)
	return 0
}

func deletes(t *testing.T, f fixture) {
	ctx := t.Context()
	f.replace(t, "o", "c", "d", "v1", "tiger", 3)
	f.replace(t, "o", "c", "e", "v1", "tiger", 1)
	if ok, err := f.DeleteDocument(ctx, "o", "c", "d"); !ok || err != nil {
		t.Fatalf("deleted %v, %v", ok, err)
	}
	if ok, err := f.DeleteDocument(ctx, "o", "c", "d"); ok || err != nil {
		t.Errorf("deleted again: %v, %v", ok, err)
	}
	if _, ok, err := f.Document(ctx, "o", "c", "d"); ok || err != nil {
		t.Errorf("still there: %v, %v", ok, err)
	}
	if hits := f.find(t, "o", "tiger"); len(hits) != 1 || hits[0].Document.Name != "e" {
		t.Errorf("hits %+v", hits)
	}
	if n := f.stored(t); n != 1 {
		t.Errorf("%d chunks stored", n)
	}
}

func records(t *testing.T, f fixture) {
	ctx := t.Context()
	made := time.UnixMilli(1_700_000_000_000).UTC()
	for v := range 3 {
		must(t, f.PutRecord(ctx, "o", corpus.Record{Kind: "k", Name: "n", Version: v + 1, Body: fmt.Sprint("body ", v+1), Created: made}))
	}
	must(t, f.PutRecord(ctx, "o", corpus.Record{Kind: "k", Name: "a", Version: 1}))
	must(t, f.PutRecord(ctx, "o", corpus.Record{Kind: "other", Name: "n", Version: 1}))
	list, err := f.Records(ctx, "o", "k", "")
	if err != nil || len(list) != 4 || list[0].Name != "a" || list[3].Version != 3 || list[3].Body != "body 3" || list[3].Created != made {
		t.Errorf("list %+v, %v", list, err)
	}
	must(t, f.DeleteRecords(ctx, "o", "k", "n"))
	if list, err = f.Records(ctx, "o", "k", ""); err != nil || len(list) != 1 {
		t.Errorf("after deletion %+v, %v", list, err)
	}
	if list, err = f.Records(ctx, "o", "other", "n"); err != nil || len(list) != 1 {
		t.Errorf("another kind %+v, %v", list, err)
	}
}

// A server that is away for a moment is not noticed.
func retries(t *testing.T, newClient NewClient) {
	f := fresh(t, newClient)
	var calls atomic.Int64
	flaky := newClient(t, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if calls.Add(1)%2 == 1 {
				return status.Error(codes.Unavailable, "away")
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		}))
	f.Store = store.New(flaky, store.Options{Prefix: f.prefix})
	f.replace(t, "o", "c", "d", "v1", "tiger", 2)
	if hits := f.find(t, "o", "tiger"); len(hits) != 2 {
		t.Errorf("%d hits", len(hits))
	}
	if calls.Load() < 8 {
		t.Errorf("only %d calls: nothing was repeated", calls.Load())
	}
}

package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store/storetest"
)

// words draws a text whose words are as unevenly spread as those of a language.
func words(z *rand.Zipf, n int) string {
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "w%dx ", z.Uint64())
	}
	return b.String()
}

// BenchmarkSearch searches 10,000 chunks of 150 words for ten passages.
func BenchmarkSearch(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2)) // a benchmark repeats
	z := rand.NewZipf(r, 1.1, 3, 30_000)
	s := storetest.Embedded(b)
	p := sparse.DefaultParams()
	for d := range 100 {
		doc := corpus.Document{Collection: "c", Name: fmt.Sprint(d), Version: "1", Chunks: 100}
		chunks := make([]corpus.Chunk, 100)
		for i := range chunks {
			text := words(z, 150)
			chunks[i] = corpus.Chunk{Ordinal: i, Start: i * 1000, End: i*1000 + len(text), Text: text, Terms: p.Document("", text)}
		}
		if err := s.Replace(b.Context(), "o", doc, chunks); err != nil {
			b.Fatal(err)
		}
	}
	queries := make([]sparse.Vector, 64)
	for i := range queries {
		queries[i] = sparse.Query(words(z, 8))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		hits, err := s.Search(b.Context(), "o", []string{"c"}, queries[i%len(queries)], 10)
		if err != nil || len(hits) == 0 {
			b.Fatal(len(hits), err)
		}
	}
}

// Package ragtest reads retrieval test collections and scores rankings, for
// the evaluation tests of the rag service.
package ragtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Entry is a document or a query of a collection in BEIR layout.
type Entry struct {
	ID    string `json:"_id"`
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Collection is a retrieval test collection.
type Collection struct {
	Corpus, Queries []Entry
	// Grades holds the relevance of documents by query; a missing one is 0.
	Grades map[string]map[string]float64
}

// Load reads a collection in BEIR layout.
func Load(t testing.TB, dir string) Collection {
	t.Helper()
	c := Collection{Grades: map[string]map[string]float64{}}
	Lines(t, filepath.Join(dir, "corpus.jsonl"), func(line []byte) { c.Corpus = append(c.Corpus, decode[Entry](t, line)) })
	Lines(t, filepath.Join(dir, "queries.jsonl"), func(line []byte) { c.Queries = append(c.Queries, decode[Entry](t, line)) })
	first := true
	Lines(t, filepath.Join(dir, "qrels.tsv"), func(line []byte) {
		if first {
			first = false
			return
		}
		f := strings.Split(string(line), "\t")
		grade, err := strconv.ParseFloat(strings.TrimSpace(f[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		if c.Grades[f[0]] == nil {
			c.Grades[f[0]] = map[string]float64{}
		}
		c.Grades[f[0]][f[1]] = grade
	})
	return c
}

func decode[T any](t testing.TB, line []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// Decode reads one JSON line.
func Decode[T any](t testing.TB, line []byte) T { t.Helper(); return decode[T](t, line) }

// Lines calls visit with each line of a file.
func Lines(t testing.TB, path string, visit func([]byte)) {
	t.Helper()
	f, err := os.Open(path) // test data
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		visit(s.Bytes())
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
}

// NDCG is the normalised discounted cumulative gain of the first k, with the
// grade itself as the gain.
func NDCG(ranking []string, grades map[string]float64, k int) float64 {
	var gained, ideal float64
	for i, id := range ranking[:min(k, len(ranking))] {
		gained += max(grades[id], 0) / math.Log2(float64(i)+2)
	}
	var best []float64
	for _, g := range grades {
		best = append(best, max(g, 0))
	}
	slices.SortFunc(best, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
	for i, g := range best[:min(k, len(best))] {
		ideal += g / math.Log2(float64(i)+2)
	}
	if ideal == 0 {
		return 0
	}
	return gained / ideal
}

// Recall is the share of the relevant documents among the first k.
func Recall(ranking []string, grades map[string]float64, k int) float64 {
	relevant, found := 0, 0
	for _, g := range grades {
		if g > 0 {
			relevant++
		}
	}
	for _, id := range ranking[:min(k, len(ranking))] {
		if grades[id] > 0 {
			found++
		}
	}
	if relevant == 0 {
		return 0
	}
	return float64(found) / float64(relevant)
}

// Evaluate ranks every query and returns the mean nDCG@10 and recall@100.
func (c Collection) Evaluate(rank func(query string) []string) (ndcg10, recall100 float64) {
	n := 0.0
	for _, q := range c.Queries {
		if len(c.Grades[q.ID]) == 0 {
			continue
		}
		r := rank(q.Text)
		ndcg10 += NDCG(r, c.Grades[q.ID], 10)
		recall100 += Recall(r, c.Grades[q.ID], 100)
		n++
	}
	return ndcg10 / n, recall100 / n
}

// Report prints one line of figures in a form that is easy to find.
func Report(t testing.TB, name string, format string, args ...any) {
	t.Helper()
	t.Logf("%-12s %s", name, fmt.Sprintf(format, args...))
}

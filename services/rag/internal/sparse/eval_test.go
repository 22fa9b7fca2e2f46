package sparse

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/evaldata"
	"github.com/tollgate/tollgate/services/rag/internal/ragtest"
)

// ranker scores every document as the store would: weights times IDF.
type ranker struct {
	ids      []string
	postings map[uint32][]element
}

type element struct {
	doc   int
	value float32
}

func newRanker(p Params, corpus []ragtest.Entry) *ranker {
	r := &ranker{postings: map[uint32][]element{}}
	for i, d := range corpus {
		r.ids = append(r.ids, d.ID)
		v := p.Document(d.Title, d.Text)
		for j, x := range v.Indices {
			r.postings[x] = append(r.postings[x], element{i, v.Values[j]})
		}
	}
	return r
}

func (r *ranker) rank(query string) []string {
	scores := map[int]float64{}
	n := float64(len(r.ids))
	q := Query(query)
	for i, x := range q.Indices {
		df := float64(len(r.postings[x]))
		idf := math.Log((n-df+0.5)/(df+0.5) + 1)
		for _, e := range r.postings[x] {
			scores[e.doc] += float64(q.Values[i]) * idf * float64(e.value)
		}
	}
	docs := make([]int, 0, len(scores))
	for d := range scores {
		docs = append(docs, d)
	}
	slices.SortFunc(docs, func(a, b int) int { return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(a, b)) })
	out := make([]string, 0, 100)
	for _, d := range docs[:min(100, len(docs))] {
		out = append(out, r.ids[d])
	}
	return out
}

// The floors stand a little under what was measured with DefaultParams. The
// reference is BM25 with k1 0.9, b 0.4 and a light stemmer on the same data:
// nDCG@10/recall@100 of .353/.73, .676/.78, .467/.61 and .710/.97.
func TestRankingQuality(t *testing.T) {
	cases := []struct {
		set          string
		ndcg, recall float64
	}{
		{"cranfield", 0.370, 0.745},
		{"med", 0.678, 0.795},
		{"cacm", 0.485, 0.640},
		{"time", 0.738, 0.970},
	}
	for _, tc := range cases {
		t.Run(tc.set, func(t *testing.T) {
			c := ragtest.Load(t, evaldata.Dir(t, "rag", tc.set))
			ndcg, recall := c.Evaluate(newRanker(DefaultParams(), c.Corpus).rank)
			ragtest.Report(t, tc.set, "nDCG@10 %.3f recall@100 %.3f", ndcg, recall)
			if ndcg < tc.ndcg || recall < tc.recall {
				t.Errorf("below the floor of %.3f and %.3f", tc.ndcg, tc.recall)
			}
		})
	}
}

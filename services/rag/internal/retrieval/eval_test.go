package retrieval_test

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/evaldata"
	"github.com/tollgate/tollgate/services/rag/internal/ingest"
	"github.com/tollgate/tollgate/services/rag/internal/library"
	"github.com/tollgate/tollgate/services/rag/internal/ragtest"
	"github.com/tollgate/tollgate/services/rag/internal/retrieval"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store/storetest"
)

// load takes a corpus in through the library, as the service does.
func load(t *testing.T, name string, corpus []ragtest.Entry) *retrieval.Retriever {
	t.Helper()
	s := storetest.Embedded(t)
	l := library.New(s, library.Options{Limits: ingest.DefaultLimits(), Terms: sparse.DefaultParams()})
	start, bytes, docs := time.Now(), 0, 0
	for _, d := range corpus {
		text := d.Text
		if text == "" {
			text = d.Title
		}
		if text == "" {
			continue
		}
		src := library.Source{Collection: "c", Name: d.ID, Title: d.Title, MediaType: ingest.Text, Content: []byte(text)}
		if _, _, err := l.Ingest(t.Context(), "o", src); err != nil {
			t.Fatal(err)
		}
		bytes += len(text)
		docs++
	}
	took := time.Since(start).Seconds()
	ragtest.Report(t, name, "ingest: %.0f documents/s, %.2f MB/s", float64(docs)/took, float64(bytes)/took/1e6)
	return retrieval.New(s, nil, retrieval.Options{})
}

// latencies are those of the searches of one test.
type latencies []time.Duration

func (l latencies) report(t *testing.T, name string) {
	t.Helper()
	slices.Sort(l)
	ragtest.Report(t, name, "query: p50 %v, p99 %v", l[len(l)/2], l[len(l)*99/100])
}

// The whole way from document to ranking: cut, weigh, store, search. A document
// ranks where its best chunk does. The floors stand a little under what was
// measured; see the sparse package for the reference.
func TestRankingQualityEndToEnd(t *testing.T) {
	cases := []struct {
		set          string
		ndcg, recall float64
	}{
		{"cranfield", 0.360, 0.740},
		{"time", 0.745, 0.960},
	}
	for _, tc := range cases {
		t.Run(tc.set, func(t *testing.T) {
			c := ragtest.Load(t, evaldata.Dir(t, "rag", tc.set))
			r := load(t, tc.set, c.Corpus)
			var took latencies
			ndcg, recall := c.Evaluate(func(query string) []string {
				start := time.Now()
				hits, err := r.Retrieve(t.Context(), retrieval.Scope{Organization: "o"}, query, 200)
				if err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(start))
				var docs []string
				for _, h := range hits {
					if !slices.Contains(docs, h.Document.Name) {
						docs = append(docs, h.Document.Name)
					}
				}
				return docs
			})
			ragtest.Report(t, tc.set, "nDCG@10 %.3f recall@100 %.3f", ndcg, recall)
			took.report(t, tc.set)
			if ndcg < tc.ndcg || recall < tc.recall {
				t.Errorf("below the floor of %.3f and %.3f", tc.ndcg, tc.recall)
			}
		})
	}
}

// The passages found for a question must hold the answers that people marked.
func TestPassagesHoldTheAnswers(t *testing.T) {
	dir := evaldata.Dir(t, "rag", "chunking")
	var corpus []ragtest.Entry
	ragtest.Lines(t, filepath.Join(dir, "documents.jsonl"), func(line []byte) {
		corpus = append(corpus, ragtest.Decode[ragtest.Entry](t, line))
	})
	r := load(t, "chunking", corpus)
	var took latencies
	var wanted, held, read int
	ragtest.Lines(t, filepath.Join(dir, "questions.jsonl"), func(line []byte) {
		q := ragtest.Decode[struct {
			Text  string `json:"text"`
			DocID string `json:"doc_id"`
			Spans []struct {
				Start int `json:"start"`
				End   int `json:"end"`
			} `json:"spans"`
		}](t, line)
		start := time.Now()
		hits, err := r.Retrieve(t.Context(), retrieval.Scope{Organization: "o"}, q.Text, 5)
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
		for _, h := range hits {
			read += h.Chunk.End - h.Chunk.Start
		}
		for _, s := range q.Spans {
			wanted += s.End - s.Start
			for at := s.Start; at < s.End; at++ {
				for _, h := range hits {
					if h.Document.Name == q.DocID && at >= h.Chunk.Start && at < h.Chunk.End {
						held++
						break
					}
				}
			}
		}
	})
	recall := float64(held) / float64(wanted)
	ragtest.Report(t, "answers", "recall@5 of marked bytes %.3f, precision %.3f", recall, float64(held)/float64(read))
	took.report(t, "chunking")
	if recall < 0.87 {
		t.Error("below the floor of 0.87")
	}
}

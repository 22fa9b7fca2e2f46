package ingest

import (
	"path/filepath"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/evaldata"
	"github.com/tollgate/tollgate/services/rag/internal/ragtest"
)

type labelled struct {
	DocID string `json:"doc_id"`
	Spans []struct {
		Start int `json:"start"`
		End   int `json:"end"`
	} `json:"spans"`
}

// Answers that people marked in documents must lie in chunks, and mostly in
// one: an answer that is cut in two is found by halves. The floors stand a
// little under what was measured.
func TestAnswersStayInOneChunk(t *testing.T) {
	dir := evaldata.Dir(t, "rag", "chunking")
	docs := map[string]Result{}
	ragtest.Lines(t, filepath.Join(dir, "documents.jsonl"), func(line []byte) {
		d := ragtest.Decode[ragtest.Entry](t, line)
		docs[d.ID] = mustCut(t, d.Text, Text, DefaultLimits())
		size := 0
		for _, c := range docs[d.ID].Chunks {
			size += words(c.Text)
		}
		ragtest.Report(t, d.ID, "%d chunks of %d words on average", len(docs[d.ID].Chunks), size/len(docs[d.ID].Chunks))
	})
	spans, inOne, bytes, covered := 0, 0, 0, 0
	ragtest.Lines(t, filepath.Join(dir, "questions.jsonl"), func(line []byte) {
		q := ragtest.Decode[labelled](t, line)
		for _, s := range q.Spans {
			spans++
			bytes += s.End - s.Start
			best, union := 0, 0
			at := s.Start
			for _, c := range docs[q.DocID].Chunks {
				best = max(best, min(s.End, c.End)-max(s.Start, c.Start))
				if end := min(s.End, c.End); end > max(at, c.Start) {
					union += end - max(at, c.Start)
					at = end
				}
			}
			covered += union
			if best == s.End-s.Start {
				inOne++
			}
		}
	})
	one, all := float64(inOne)/float64(spans), float64(covered)/float64(bytes)
	ragtest.Report(t, "spans", "%d, in one chunk %.3f, bytes covered %.4f", spans, one, all)
	if one < 0.985 || all < 0.999 {
		t.Error("below the floor of 0.985 in one chunk and 0.999 of the bytes")
	}
}

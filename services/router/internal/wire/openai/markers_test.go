package openai

import (
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// A source is cited once, where its marker stands, however the text is cut.
func TestStreamedCitations(t *testing.T) {
	sources := []*llmv1.Citation{
		{Marker: "1", Title: "One", Uri: "https://one"},
		{Marker: "2", Title: "Two", Document: "collections/c/documents/2"},
		{Marker: "3", Title: "Three"},
	}
	const want = `"annotations":[` +
		`{"type":"url_citation","url_citation":{"start_index":2,"end_index":5,"url":"collections/c/documents/2","title":"Two"}},` +
		`{"type":"url_citation","url_citation":{"start_index":9,"end_index":12,"url":"https://one","title":"One"}}]`
	pieces := [][]string{
		{"é [2] [x", "][1] [2] [9]"}, {"é ", "[", "2", "]", " [x][", "1]"}, {"é [2] [x][1]"},
	}
	for _, revised := range []bool{false, true} {
		for _, text := range pieces {
			d, e := &ChunkDecoder{}, NewChunkEncoder(false)
			e.Sources(sources)
			var c stream.Chunk
			var out []byte
			frames := make([]string, 0, len(text)+1)
			for _, piece := range text {
				frames = append(frames, delta(0, `"content":`+string(jsonscan.AppendString(nil, piece))))
			}
			for _, f := range append(frames, finish(0, "stop")) {
				if err := d.Decode([]byte(f), &c); err != nil {
					t.Fatal(err)
				}
				c.Revised = revised
				out = e.Append(out, &c)
			}
			got := string(out)
			if strings.Count(got, want) != 1 || strings.Count(got, "annotations") != 1 {
				t.Errorf("%q: got %s", text, got)
			}
			if strings.Index(got, "annotations") > strings.Index(got, `"finish_reason":"stop"`) {
				t.Errorf("%q: cited behind the finish: %s", text, got)
			}
		}
	}
}

func TestProvidersCitationsAreNotRepeated(t *testing.T) {
	source := &llmv1.Citation{Marker: "1", Title: "One", Uri: "https://one"}
	e := NewChunkEncoder(false)
	e.Sources([]*llmv1.Citation{source})
	got := string(e.Append(nil, &stream.Chunk{Events: []stream.Event{
		{Kind: stream.Text, Delta: []byte("a [1]")},
		{Kind: stream.PartStop, Citations: []*llmv1.Citation{source}},
		{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_STOP},
	}}))
	if strings.Count(got, "annotations") != 1 || !strings.Contains(got, `"start_index":2,"end_index":5`) {
		t.Errorf("got %s", got)
	}
}

package openai

import (
	"testing"

	"pgregory.net/rapid"
)

// TestHeadIsThatOfItsOwnFrame: what is kept from the frame before never shows.
func TestHeadIsThatOfItsOwnFrame(t *testing.T) {
	open := rapid.SampledFrom([]string{
		`{"id":"1","choices":`, `{"id":"1", "choices": `, `{"id":"2","choices":`, `{"choices":`, `{"usage":null,"choices":`,
		`{"choices":[],"choices":`, `{"id":"1","choices":[{"index":0}],"x":`,
	})
	middle := rapid.SampledFrom([]string{
		`[]`, ` [{"index":0,"y":1}]`, `[{"index":0,"delta":{"content":"]}"}}]`, `null`, `[],"model":"m"`, `[],"choices":[{"index":0,"z":[2]}]`, `[`, ``,
	})
	end := rapid.SampledFrom([]string{`}`, ` }`, `,"usage":null}`, `,"model":"m"}`, `,"choices":[]}`, `]}`})
	rapid.Check(t, func(t *rapid.T) {
		kept := NewChunkEncoder(false)
		for range 6 {
			if rapid.IntRange(0, 5).Draw(t, "own") == 0 {
				kept.begin(nil)
			}
			frame := []byte(open.Draw(t, "open") + middle.Draw(t, "middle") + end.Draw(t, "end"))
			fresh := &ChunkEncoder{created: kept.created}
			got, want := kept.begin(frame), fresh.begin(frame)
			if string(got) != string(want) || string(kept.head) != string(fresh.head) {
				t.Fatalf("%s\ngot  %s … %s\nwant %s … %s", frame, kept.head, got, fresh.head, want)
			}
		}
	})
}

package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

func FuzzDecodeChunk(f *testing.F) {
	for _, frame := range slices.Concat(sample, thoughtful) {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		d := &ChunkDecoder{}
		var c stream.Chunk
		err := d.Decode(bytes.Clone(frame), &c)
		if err != nil {
			return
		}
		if !json.Valid(bytes.ToValidUTF8(frame, []byte("?"))) {
			t.Fatalf("accepted what is not JSON: %q", frame)
		}
		c.Revised = true
		for _, event := range strings.Split(string(NewChunkEncoder(true).Append(nil, &c)), "\n\n") {
			data, _, _ := strings.Cut(strings.TrimPrefix(event, "data: "), "\n")
			if event != "" && !strings.Contains(event, "\n") && !json.Valid([]byte(data)) {
				t.Fatalf("wrote what is not JSON: %q", event)
			}
		}
	})
}

func BenchmarkChunk(b *testing.B) {
	data := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":" world"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n")
	for _, mode := range []string{"native", "native without usage", "revised"} {
		b.Run(mode, func(b *testing.B) {
			r, d, e := sse.NewReader(&repeating{data: data}), &ChunkDecoder{}, NewChunkEncoder(mode == "native")
			var c stream.Chunk
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				event, err := r.Next()
				if err != nil {
					b.Fatal(err)
				}
				if err := d.Decode(event, &c); err != nil {
					b.Fatal(err)
				}
				c.Revised = mode == "revised"
				out = e.Append(out[:0], &c)
			}
		})
	}
}

package pairs

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func BenchmarkRequest(b *testing.B) {
	for _, from := range clients {
		raw := recorded(b, from.name, "request.json")
		for _, to := range targets {
			b.Run(from.name+"→"+to.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := ask(from, to, raw); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// ask is what the router does to a request between client and target.
func ask(from client, to target, raw []byte) error {
	n, c, err := from.parse(raw)
	if err != nil {
		return err
	}
	r := &provider.Request{Conversation: c, Native: n, Model: to.model}
	if n.Dialect() == to.name {
		_, err = n.Render(r, true)
	} else {
		r.Conversation = capability.Strip(c, capability.Wire(to.name))
		_, err = to.encode(r, true)
	}
	if err != nil {
		return fmt.Errorf("%s→%s: %w", from.name, to.name, err)
	}
	return nil
}

func BenchmarkAnswer(b *testing.B) {
	for _, from := range targets {
		raw := recorded(b, from.name, "answer.json")
		for _, to := range clients {
			b.Run(from.name+"→"+to.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					c, err := from.decode(raw)
					if err != nil {
						b.Fatal(err)
					}
					to.answer(&provider.Answer{Completion: c, Native: raw, Dialect: from.name})
				}
			})
		}
	}
}

// steady is a stream in its middle: each step reads, decodes and writes one
// more piece of text.
type steady struct {
	in    frames
	d     decoder
	e     encoder
	chunk stream.Chunk
	out   []byte
}

// endless gives what comes first, and then the same again and again.
type endless struct{ first, again, rest []byte }

func (r *endless) Read(b []byte) (int, error) {
	if len(r.first) > 0 {
		n := copy(b, r.first)
		r.first = r.first[n:]
		return n, nil
	}
	if len(r.rest) == 0 {
		r.rest = r.again
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func newSteady(t testing.TB, from target, to client) *steady {
	lines := bytes.Split(recorded(t, from.name, "text.frames"), []byte("\n"))
	src := &endless{}
	var again []byte
	for _, line := range lines {
		if bytes.Contains(line, []byte(word)) {
			again = from.frame(nil, string(line))
			break
		}
		src.first = from.frame(src.first, string(line))
	}
	src.again = bytes.Repeat(again, 16) // as many come in one read
	s := &steady{in: from.frames(src), d: from.decoder(), e: to.encoder()}
	for range 64 {
		s.step(t)
	}
	if !s.chunk.IsContent() || len(s.out) == 0 {
		t.Fatal("the stream says nothing")
	}
	return s
}

func (s *steady) step(t testing.TB) {
	frame, err := s.in.Next()
	if err == nil {
		err = s.d.Decode(frame, &s.chunk)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.out = s.e.Append(s.out[:0], &s.chunk)
}

func BenchmarkChunk(b *testing.B) {
	for _, from := range targets {
		for _, to := range clients {
			b.Run(from.name+"→"+to.name, func(b *testing.B) {
				s := newSteady(b, from, to)
				b.ReportAllocs()
				b.ResetTimer()
				for b.Loop() {
					s.step(b)
				}
			})
		}
	}
}

// A piece of text costs no allocation, in its own format or another. A response
// that is kept costs one: its text is sent once more at its end.
func TestChunkAllocations(t *testing.T) {
	for _, from := range targets {
		for _, to := range clients {
			s := newSteady(t, from, to)
			if n := testing.AllocsPerRun(1000, func() { s.step(t) }); n > allowed(to) {
				t.Errorf("%s→%s: %v allocations", from.name, to.name, n)
			}
		}
	}
}

func allowed(to client) float64 {
	if to.name == "responses" {
		return 1
	}
	return 0
}

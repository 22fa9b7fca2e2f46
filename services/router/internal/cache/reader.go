package cache

import (
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// reader is how far somebody has read an answer that is being written. What is
// new comes in the order of candidates and parts, so that whoever comes late or
// reads slowly gets fewer and larger pieces, and nobody needs a queue.
type reader struct {
	page    *page
	at      place // on that page
	started bool
	usage   *llmv1.Usage
	room    int // bytes that the chunk may still take
	chunk   stream.Chunk
}

// place is how far a page is read.
type place struct {
	candidates []placeInCandidate
	notices    int
}

type placeInCandidate struct {
	parts    []placeInPart
	finished bool
}

// placeInPart counts what was read of a part.
type placeInPart struct {
	begun            bool
	text             int
	stops, citations int
}

// read makes a chunk of what is new, and of no more than a client takes at once.
// It returns false if some of it is lost. The chunk shares nothing with the
// answer but texts that have been written.
func (r *reader) read(c *Collector) bool {
	r.chunk.Reset()
	r.room = burstBytes
	for {
		if r.page.lost {
			return false
		}
		if !r.started {
			r.started = true
			r.put(stream.Event{Kind: stream.Start, Model: c.model}) // each has an id of its own
		}
		if !r.rest(c) || r.page.next == nil {
			return true
		}
		r.page, r.at = r.page.next, place{}
	}
}

func (r *reader) put(e stream.Event) { r.chunk.Events = append(r.chunk.Events, e) }

// rest reads the rest of the page; it returns false if there is no room for it.
func (r *reader) rest(c *Collector) bool {
	for i, one := range r.page.candidates {
		if i == len(r.at.candidates) {
			r.at.candidates = append(r.at.candidates, placeInCandidate{})
		}
		at := &r.at.candidates[i]
		for j, part := range one.parts {
			if j == len(at.parts) {
				at.parts = append(at.parts, placeInPart{})
			}
			if part != nil && !r.part(part, &at.parts[j], int32(i), int32(j)) {
				return false
			}
		}
	}
	for ; r.at.notices < len(r.page.notices); r.at.notices++ {
		e := r.page.notices[r.at.notices]
		e.Guardrail = proto.Clone(e.Guardrail).(*llmv1.GuardrailNotice)
		r.put(e)
	}
	if c.usage != r.usage && c.usage != nil {
		r.usage = c.usage
		r.put(stream.Event{Kind: stream.Usage, Tokens: proto.Clone(c.usage).(*llmv1.Usage)})
	}
	for i, one := range r.page.candidates {
		if at := &r.at.candidates[i]; one.finish != 0 && !at.finished {
			at.finished = true
			r.put(stream.Event{Kind: stream.Finish, Candidate: int32(i), Reason: one.finish, Stop: one.stop})
		}
	}
	return true
}

// part reads the rest of a part, in pieces; false if there is no room for it.
func (r *reader) part(p *collectedPart, at *placeInPart, candidate, index int32) bool {
	if p.part != nil && !at.begun {
		at.begun = true
		r.put(stream.Event{Kind: stream.PartStart, Candidate: candidate, Index: index, Part: proto.Clone(p.part).(*llmv1.Part)})
	}
	for at.text < len(p.text) {
		if r.room <= 0 {
			return false
		}
		delta := piece(p.text[at.text:], min(r.room, pieceBytes))
		at.text += len(delta)
		r.room -= len(delta)
		r.put(stream.Event{Kind: p.kind, Candidate: candidate, Index: index, Delta: delta[:len(delta):len(delta)]})
	}
	if p.stops > at.stops {
		e := stream.Event{Kind: stream.PartStop, Candidate: candidate, Index: index, Signature: p.signature}
		for ; at.citations < len(p.citations); at.citations++ {
			e.Citations = append(e.Citations, proto.Clone(p.citations[at.citations]).(*llmv1.Citation))
		}
		at.stops = p.stops
		r.put(e)
	}
	return true
}

package gemini

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

func (d *ChunkDecoder) contentOf(c *candidate, n int32) {
	if d.Peek() != '{' {
		d.Skip()
		return
	}
	for d.Open('{'); d.Next('}'); {
		if string(d.Key()) != "parts" {
			d.Skip()
			continue
		}
		d.elements(func() {
			d.readPart(&d.part)
			d.emit(c, n, &d.part)
		})
	}
}

// emit turns a part into events.
func (d *ChunkDecoder) emit(c *candidate, n int32, p *answerPart) {
	if p.unreadable {
		d.Fail(errPieces)
	}
	if p.kind == partNone && c.open == stream.Text && d.Err == nil {
		d.seal(c, p) // an empty text at the end of one, for its signature
	}
	if p.kind == partNone || d.Err != nil {
		return
	}
	if c.finished {
		d.Fail(errLate)
		return
	}
	switch p.kind {
	case partText:
		d.delta(c, n, stream.Text, d.plain(p.text))
		d.seal(c, p)
	case partOpaque:
		d.delta(c, n, stream.Text, d.valid([]byte(plainJSON(d.Data[p.raw.Start:p.raw.End]))))
	case partThought:
		d.delta(c, n, stream.Thinking, d.plain(p.text))
		d.seal(c, p)
	case partCall:
		d.call(c, n, p)
	case partMedia:
		if d.begin(c, n, 0) {
			d.events = append(d.events,
				stream.Event{Kind: stream.PartStart, Candidate: n, Index: c.index, Part: d.copied(p)},
				stream.Event{Kind: stream.PartStop, Candidate: n, Index: c.index})
		}
	}
}

// seal keeps the signature of the open part, which its end tells.
func (d *ChunkDecoder) seal(c *candidate, p *answerPart) {
	if p.signature.End > p.signature.Start {
		c.signature = string(d.plain(p.signature))
	}
}

// copied makes the part of a medium that outlives the frame.
func (d *ChunkDecoder) copied(p *answerPart) *llmv1.Part {
	s := newScanner([]byte(strings.Clone(jsonscan.Alias(d.Data))))
	return s.mediaPart(p)
}

// begin ends the open part and begins the next; false if there are too many.
func (d *ChunkDecoder) begin(c *candidate, n int32, kind stream.Kind) bool {
	d.stop(c, n)
	if c.next == maxPartsStreamed {
		d.Fail(errCount)
		return false
	}
	c.open, c.index = kind, c.next
	c.next++
	return true
}

// delta adds a piece of text or thinking, in the open part if it is of the kind.
func (d *ChunkDecoder) delta(c *candidate, n int32, kind stream.Kind, text []byte) {
	if c.open != kind {
		if !d.begin(c, n, kind) {
			return
		}
		if kind == stream.Thinking {
			d.events = append(d.events, stream.Event{Kind: stream.PartStart, Candidate: n, Index: c.index, Part: newThinking("")})
		}
	}
	if len(text) > 0 {
		d.events = append(d.events, stream.Event{Kind: kind, Candidate: n, Index: c.index, Delta: text})
	}
}

// noArguments are those of a call that names none.
var noArguments = []byte("{}")

// call writes a call, which always comes whole.
func (d *ChunkDecoder) call(c *candidate, n int32, p *answerPart) {
	if !d.begin(c, n, 0) {
		return
	}
	c.calls = true
	id := string(d.plain(p.id))
	if id == "" {
		id = newID(d.Data, n, c.index)
	}
	arguments := noArguments
	if p.raw.End > 0 {
		arguments = d.valid(d.Data[p.raw.Start:p.raw.End])
	}
	d.events = append(d.events,
		stream.Event{Kind: stream.PartStart, Candidate: n, Index: c.index, Part: newCall(id, string(d.plain(p.name)), "")},
		stream.Event{Kind: stream.ToolArguments, Candidate: n, Index: c.index, Delta: arguments},
		stream.Event{Kind: stream.PartStop, Candidate: n, Index: c.index, Signature: string(d.plain(p.signature))})
}

// stop ends the open text or thinking. Citations wait for a text.
func (d *ChunkDecoder) stop(c *candidate, n int32) {
	if c.open == 0 {
		return
	}
	ev := stream.Event{Kind: stream.PartStop, Candidate: n, Index: c.index}
	if c.open == stream.Text {
		ev.Seal, ev.Citations, c.citations = c.signature, c.citations, nil
	} else {
		ev.Signature = c.signature
	}
	d.events = append(d.events, ev)
	c.open, c.signature = 0, ""
}

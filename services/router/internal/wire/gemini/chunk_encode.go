package gemini

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// ChunkEncoder writes the events of one stream to a client. Frames of the same
// format pass through untouched; what was revised or comes from another format
// is written anew, with the unknown members of the frame it came in. Why the
// answer ended, and what it cost, comes in the last frame, as clients of this
// format expect.
type ChunkEncoder struct {
	frames
	id, model  string
	candidates []outgoing
	sources    []*llmv1.Citation
	usage      *llmv1.Usage
	usageSent  bool
	ended      bool
	// w writes into the buffer of the call under way.
	w encoder
	// tail is what stands behind the candidates of the frames written anew;
	// extras are the unknown members of the frame's candidates.
	tail, extras []byte
	// open is the candidate of the frame under way, from where it begins.
	open int32
	from int
}

// outgoing is what a client has been told of a candidate.
type outgoing struct {
	finished  bool // the client knows
	done      bool // the model has ended
	reason    llmv1.FinishReason
	broken    string // the tool of a call that cannot be written
	calls     []openCall
	citations []*llmv1.Citation
	text      []byte // for the markers in it, if there are sources
	cited     bool
}

// openCall is a call whose arguments are not complete: the format has no pieces.
type openCall struct {
	part      int32
	id, name  string
	arguments []byte
}

// NewChunkEncoder begins a stream: of server-sent events, or of the elements
// of one JSON array.
func NewChunkEncoder(events bool) *ChunkEncoder {
	return &ChunkEncoder{frames: frames{array: !events}, open: -1}
}

// Sources are the passages that the prompt was given. Those that the text
// refers to by their marker are cited at its end.
func (e *ChunkEncoder) Sources(sources []*llmv1.Citation) { e.sources = sources }

// Append writes a chunk as whole frames; nothing if there is nothing to say.
func (e *ChunkEncoder) Append(dst []byte, c *stream.Chunk) []byte {
	if e.ended {
		return dst
	}
	if c.Dialect != Dialect || len(c.Native) == 0 {
		return e.events(dst, c, nil)
	}
	if c.Revised {
		return e.events(dst, c, c.Native)
	}
	dst = e.note(dst, c)
	dst, from := e.begin(dst)
	return e.end(append(dst, c.Native...), from)
}

// note learns from a frame that passes through. Only citations are added to it,
// in a frame of their own.
func (e *ChunkEncoder) note(dst []byte, c *stream.Chunk) []byte {
	for i := range c.Events {
		ev := &c.Events[i]
		switch ev.Kind {
		case stream.Start:
			e.id, e.model = ev.ID, ev.Model
		case stream.Usage:
			e.usage, e.usageSent = ev.Tokens, true
		case stream.Text:
			e.noteText(e.out(ev.Candidate), ev.Delta)
		case stream.Finish:
			o := e.out(ev.Candidate)
			if o.calls = nil; !o.cited {
				dst = e.cite(dst, ev.Candidate)
			}
			o.done, o.finished = true, true
		case stream.PartStart, stream.Thinking:
			e.out(ev.Candidate)
		}
	}
	return dst
}

// noteText keeps the text in which markers of sources may stand.
func (e *ChunkEncoder) noteText(o *outgoing, text []byte) {
	if len(e.sources) > 0 {
		o.text = append(o.text, text...)
	}
}

func (e *ChunkEncoder) out(candidate int32) *outgoing {
	candidate = min(max(candidate, 0), maxCandidates-1)
	for len(e.candidates) <= int(candidate) {
		e.candidates = append(e.candidates, outgoing{})
	}
	return &e.candidates[candidate]
}

// Fail ends the stream with an error that the client can read; nothing may follow.
// A policy's block ends it as the format does when a filter stops an answer.
func (e *ChunkEncoder) Fail(dst []byte, err error) []byte {
	if e.ended {
		return dst
	}
	failure := errs.From(err)
	if failure.Reason == llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED ||
		failure.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED {
		e.out(0)
		for i := range e.candidates {
			if o := &e.candidates[i]; !o.done {
				o.done, o.reason = true, llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
			}
		}
		return e.End(dst)
	}
	e.ended = true
	dst, from := e.begin(dst)
	return e.close(e.end(AppendError(dst, failure), from))
}

// End ends the stream well: with what the client has not been told yet.
func (e *ChunkEncoder) End(dst []byte) []byte {
	if e.ended {
		return dst
	}
	e.ended = true
	owed := e.usage != nil && !e.usageSent
	for i := range e.candidates {
		owed = owed || e.candidates[i].done && !e.candidates[i].finished
	}
	if !owed {
		return e.close(dst)
	}
	dst, from := e.begin(dst)
	e.w.buf = append(dst, `{"candidates":[`...)
	for i := range e.candidates {
		if o := &e.candidates[i]; o.done && !o.finished {
			e.last(o, int64(i))
		}
	}
	e.w.raw(`]`)
	if e.usage != nil && !e.usageSent {
		e.w.member("usageMetadata")
		e.w.buf = appendUsage(e.w.buf, e.usage)
	}
	e.plainTail()
	dst = append(append(e.w.buf, e.tail...), '}')
	return e.close(e.end(dst, from))
}

// last writes the end of a candidate.
func (e *ChunkEncoder) last(o *outgoing, index int64) {
	o.finished = true
	e.w.comma()
	e.w.raw(`{"content":{"parts":[{"text":""}],"role":"model"}`)
	e.w.finish(o.reason, o.broken)
	e.w.member("index")
	e.w.raw(itoa(index))
	if !o.cited {
		e.w.grounding(e.places(o))
	}
	e.w.raw(`}`)
}

// places are where the text refers to sources.
func (e *ChunkEncoder) places(o *outgoing) []citedPlace {
	if len(o.citations) == 0 && len(o.text) == 0 {
		return nil
	}
	part := newText(string(o.text))
	part.GetText().Citations = o.citations
	return cited(&llmv1.Message{Parts: []*llmv1.Part{part}}, e.sources)
}

// cite writes the sources of a candidate in a frame of their own, if there are any.
func (e *ChunkEncoder) cite(dst []byte, candidate int32) []byte {
	o := e.out(candidate)
	o.cited = true
	places := e.places(o)
	if len(places) == 0 {
		return dst
	}
	dst, from := e.begin(dst)
	e.w.buf = append(dst, `{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":`...)
	e.w.raw(itoa(int64(candidate)))
	e.w.grounding(places)
	e.plainTail()
	dst = append(append(e.w.buf, `}]`...), e.tail...)
	return e.end(append(dst, '}'), from)
}

// plainTail makes the members that stand behind the candidates of our own frames.
func (e *ChunkEncoder) plainTail() {
	t := encoder{buf: e.tail[:0]}
	t.raw(`,"modelVersion":`)
	t.text(e.model)
	t.raw(`,"responseId":`)
	t.text(e.id)
	e.tail = t.buf
}

// frames cuts a stream into server-sent events, or into the elements of an array.
type frames struct{ array, begun bool }

// begin begins a frame; from is where its content does.
func (f *frames) begin(dst []byte) (_ []byte, from int) {
	switch {
	case !f.array:
		dst = append(dst, "data: "...)
	case f.begun:
		dst = append(dst, ",\r\n"...)
	default:
		dst = append(dst, '[')
	}
	f.begun = true
	return dst, len(dst)
}

// end ends a frame. A line break between values becomes a space: the SDKs of
// this format take one line of data for each event.
func (f *frames) end(dst []byte, from int) []byte {
	if f.array {
		return dst
	}
	for i := from; i < len(dst); i++ {
		if dst[i] == '\n' || dst[i] == '\r' {
			dst[i] = ' '
		}
	}
	return append(dst, "\r\n\r\n"...)
}

// close ends the stream.
func (f *frames) close(dst []byte) []byte {
	switch {
	case !f.array:
		return dst
	case !f.begun:
		dst = append(dst, '[')
	}
	return append(dst, ']')
}

package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Framing appends one event to a stream: its type and its data.
type Framing func(dst []byte, kind string, data []byte) []byte

// ChunkEncoder writes the events of one stream to a client. Frames of the same
// format pass through untouched; what was revised or comes from another format
// is written anew, with the unknown members of the frame it came in. Blocks are
// written one after the other, with indexes that have no gaps, as the provider
// itself writes them: a part that begins while another is open waits for it.
type ChunkEncoder struct {
	framing   Framing
	id, model string
	begun     bool
	parts     []sentPart
	current   int   // in parts, of the block that is open; -1 if none is
	next      int32 // index of the next block
	// natives are the client's indexes of the provider's blocks, plus one.
	natives []int32
	waiting []int // in parts
	sources []*llmv1.Citation
	usage   *llmv1.Usage
	// finish is how the answer ended; told that the client knows.
	finish         stream.Event
	finished, told bool
	done           bool
	scratch        []byte
	frame          nativeFrame
}

// NewChunkEncoder begins a stream. Without a framing it is one of server-sent
// events; Bedrock frames the same events in another way.
func NewChunkEncoder(framing Framing) *ChunkEncoder {
	return &ChunkEncoder{framing: framing, current: -1}
}

// Sources are the passages that the prompt was given. Those that a text refers
// to by their marker are cited before its block ends.
func (e *ChunkEncoder) Sources(sources []*llmv1.Citation) { e.sources = sources }

// Append writes a chunk as whole events; nothing if there is nothing to say.
func (e *ChunkEncoder) Append(dst []byte, c *stream.Chunk) []byte {
	if e.done {
		return dst
	}
	for i := range c.Events {
		switch ev := &c.Events[i]; ev.Kind {
		case stream.Start:
			e.id, e.model = ev.ID, ev.Model
		case stream.Usage:
			e.usage = ev.Tokens
		}
	}
	f := &e.frame
	if c.Dialect != Dialect || len(c.Native) == 0 || !f.read(c.Native) {
		return e.events(dst, c, nil)
	}
	if c.Revised || f.ofBlock() && e.clientIndex(f) < 0 {
		return e.events(dst, c, f)
	}
	return e.pass(dst, c, f)
}

// pass lets a frame through, and learns from it.
func (e *ChunkEncoder) pass(dst []byte, c *stream.Chunk, f *nativeFrame) []byte {
	switch f.kind {
	case messageStart:
		if e.begun {
			return dst
		}
		e.begun = true
		return e.emit(dst, f.kind, f.data)
	case blockStart:
		dst = e.startNative(dst, f, partOf(c))
	case messageDelta:
		dst = e.begin(dst)
		dst = e.closeAll(dst)
		e.told = e.told || f.finishes
		return e.emit(dst, f.kind, f.data)
	default:
		if f.ofBlock() {
			return e.passBlock(dst, c, f)
		}
		return e.emit(dst, f.kind, f.data)
	}
	for i := range c.Events {
		e.note(&c.Events[i])
	}
	return dst
}

// passBlock lets a delta or the end of a block through.
func (e *ChunkEncoder) passBlock(dst []byte, c *stream.Chunk, f *nativeFrame) []byte {
	for i := range c.Events {
		e.note(&c.Events[i])
	}
	if f.kind == blockStop {
		dst = e.cite(dst, nil)
	}
	dst = e.emitAt(dst, f, e.clientIndex(f))
	if f.kind == blockStop {
		e.current = -1
	}
	return dst
}

// note learns the text of a block, whose markers are looked for.
func (e *ChunkEncoder) note(ev *stream.Event) {
	if ev.Kind == stream.Text && len(e.sources) > 0 && e.current >= 0 {
		e.parts[e.current].text = append(e.parts[e.current].text, ev.Delta...)
	}
}

// partOf is the part that begins with a frame; -1 if the canonical form does not know it.
func partOf(c *stream.Chunk) int32 {
	for i := range c.Events {
		if c.Events[i].Kind == stream.PartStart {
			return c.Events[i].Index
		}
	}
	return -1
}

// startNative opens a block by the provider's own frame.
func (e *ChunkEncoder) startNative(dst []byte, f *nativeFrame, part int32) []byte {
	dst = e.begin(dst)
	dst = e.closeAll(dst)
	for int64(len(e.natives)) <= f.index {
		e.natives = append(e.natives, 0)
	}
	e.parts = append(e.parts, sentPart{index: part, block: e.next})
	e.current = len(e.parts) - 1
	e.natives[f.index] = e.next + 1
	e.next++
	return e.emitAt(dst, f, e.next-1)
}

// clientIndex is the index by which the client knows the frame's block; -1 if
// it does not. A block that begins is known from then on.
func (e *ChunkEncoder) clientIndex(f *nativeFrame) int32 {
	if f.kind == blockStart {
		if f.index < 0 || f.index >= maxBlocksStreamed {
			return -1
		}
		return e.next
	}
	if f.index < 0 || f.index >= int64(len(e.natives)) {
		return -1
	}
	return e.natives[f.index] - 1
}

// emit writes one event.
func (e *ChunkEncoder) emit(dst []byte, kind string, data []byte) []byte {
	if e.framing != nil {
		return e.framing(dst, kind, data)
	}
	dst = append(dst, "event: "...)
	dst = append(dst, kind...)
	dst = append(dst, "\ndata: "...)
	from := 0
	for i, c := range data {
		if c == '\n' || c == '\r' { // between members: one may stand for the other
			dst = append(dst, data[from:i]...)
			dst = append(dst, "\ndata: "...)
			from = i + 1
		}
	}
	dst = append(dst, data[from:]...)
	return append(dst, "\n\n"...)
}

// emitAt writes a frame with the client's index of its block.
func (e *ChunkEncoder) emitAt(dst []byte, f *nativeFrame, index int32) []byte {
	if f.index == int64(index) {
		return e.emit(dst, f.kind, f.data)
	}
	b := &encoder{buf: e.scratch[:0]}
	b.buf = append(b.buf, f.data[:f.at.Start]...)
	b.integer(int64(index))
	b.buf = append(b.buf, f.data[f.at.End:]...)
	e.scratch = b.buf
	return e.emit(dst, f.kind, e.scratch)
}

// Fail ends the stream with an error that the client can read; nothing may follow.
// A policy's block ends it as the format does when a filter stops an answer.
func (e *ChunkEncoder) Fail(dst []byte, err error) []byte {
	if e.done {
		return dst
	}
	failure := errs.From(err)
	if failure.Reason == llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED ||
		failure.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED {
		e.finish = stream.Event{Reason: llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER}
		e.finished = true
		return e.End(dst)
	}
	e.done = true
	return e.emit(dst, "error", AppendError(nil, failure))
}

// End ends the stream well: open blocks, the reason and the counts, if the
// client does not know them, and the terminal event.
func (e *ChunkEncoder) End(dst []byte) []byte {
	if e.done {
		return dst
	}
	dst = e.begin(dst)
	dst = e.closeAll(dst)
	if !e.told {
		e.scratch = append(e.scratch[:0], `{"type":"message_delta","delta":{"stop_reason":"`...)
		e.scratch = append(e.scratch, finishName(e.finish.Reason, e.finish.Stop)...)
		e.scratch = append(e.scratch, `","stop_sequence":`...)
		if e.finish.Stop == "" {
			e.scratch = append(e.scratch, `null`...)
		} else {
			e.scratch = jsonscan.AppendString(e.scratch, e.finish.Stop)
		}
		e.scratch = append(e.scratch, `},"usage":`...)
		e.scratch = append(appendUsage(e.scratch, e.usage), '}')
		dst = e.emit(dst, messageDelta, e.scratch)
	}
	e.done = true
	return e.emit(dst, messageStop, []byte(`{"type":"message_stop"}`))
}

// begin begins the message, if it has not begun.
func (e *ChunkEncoder) begin(dst []byte) []byte {
	if e.begun {
		return dst
	}
	e.begun = true
	b := &encoder{buf: append(e.scratch[:0], `{"type":"message_start","message":`...)}
	b.head(e.id, e.model)
	b.raw(`],"stop_reason":null,"stop_sequence":null,"usage":`)
	b.buf = append(appendUsage(b.buf, e.usage), `}}`...)
	e.scratch = b.buf
	return e.emit(dst, messageStart, e.scratch)
}

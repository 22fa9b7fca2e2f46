package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// sentPart is what a client has been told of a part.
type sentPart struct {
	index int32 // of the part; -1 if the canonical form does not know it
	block int32 // the client's index of its block; -1 while it waits
	part  *llmv1.Part
	// held are the deltas of a part that waits, in one; ended that it has ended.
	held      []byte
	heldKind  stream.Kind
	ended     bool
	stop      stream.Event
	text      []byte  // looked at for markers
	arguments balance // of a call
}

// balance follows JSON that comes in pieces, to know when it is whole.
type balance struct {
	depth                   int
	begun, inText, escaping bool
}

func (b *balance) add(data []byte) {
	for _, c := range data {
		switch {
		case b.escaping:
			b.escaping = false
		case b.inText:
			b.escaping = c == '\\'
			b.inText = c != '"'
		case c == '"':
			b.inText = true
		case c == '{' || c == '[':
			b.depth++
			b.begun = true
		case c == '}' || c == ']':
			b.depth--
		}
	}
}

func (b *balance) whole() bool { return b.begun && b.depth == 0 && !b.inText }

// events writes each event as a frame of its own. f is the frame that they came
// in, if it was one of this format: it takes the place of the event it tells of.
func (e *ChunkEncoder) events(dst []byte, c *stream.Chunk, f *nativeFrame) []byte {
	if f != nil && f.kind == messageStart {
		if !e.begun {
			e.begun = true
			dst = e.emit(dst, f.kind, f.data)
		}
		f = nil
	}
	for i := range c.Events {
		ev := &c.Events[i]
		if ev.Candidate != 0 {
			continue // the format has one answer
		}
		switch ev.Kind {
		case stream.Start:
			dst = e.begin(dst)
		case stream.PartStart:
			dst = e.partStart(dst, ev, f)
		case stream.Text, stream.Thinking, stream.ToolArguments:
			if len(ev.Delta) > 0 {
				dst = e.deltaOf(dst, ev, f)
			}
		case stream.PartStop:
			dst = e.partStop(dst, ev, f)
		case stream.Finish:
			dst = e.finishOf(dst, ev, f)
		case stream.Error:
			return e.Fail(dst, errs.New(ev.Failure.GetReason(), "%s", ev.Failure.GetMessage()))
		}
	}
	return dst
}

// find returns the place of a part; -1 if it has not begun.
func (e *ChunkEncoder) find(index int32) int {
	for i := len(e.parts) - 1; i >= 0; i-- {
		if e.parts[i].index == index {
			return i
		}
	}
	return -1
}

func (e *ChunkEncoder) partStart(dst []byte, ev *stream.Event, f *nativeFrame) []byte {
	if f != nil && f.kind == blockStart && f.bare() && e.clientIndex(f) >= 0 {
		return e.startNative(dst, f, ev.Index)
	}
	return e.start(dst, ev.Index, ev.Part)
}

// start begins a part: at once if no other is open, else it waits.
func (e *ChunkEncoder) start(dst []byte, index int32, part *llmv1.Part) []byte {
	dst = e.begin(dst)
	p := sentPart{index: index, block: -1, part: part}
	switch content := part.GetContent().(type) {
	case *llmv1.Part_Text:
		p.held, p.heldKind = append(p.held, content.Text.GetText()...), stream.Text
	case *llmv1.Part_Thinking:
		p.held, p.heldKind = append(p.held, content.Thinking.GetText()...), stream.Thinking
	case *llmv1.Part_ToolCall:
		p.held, p.heldKind = append(p.held, content.ToolCall.GetArguments()...), stream.ToolArguments
	default:
		return dst
	}
	e.parts = append(e.parts, p)
	e.waiting = append(e.waiting, len(e.parts)-1)
	return e.proceed(dst)
}

// proceed opens waiting parts, as long as none is open that may go on.
func (e *ChunkEncoder) proceed(dst []byte) []byte {
	for len(e.waiting) > 0 {
		if e.current >= 0 {
			p := &e.parts[e.current]
			if !p.ended && !p.arguments.whole() {
				return dst
			}
			dst = e.close(dst)
		}
		e.current = e.waiting[0]
		e.waiting = e.waiting[1:]
		p := &e.parts[e.current]
		p.block = e.next
		e.next++
		dst = e.opening(dst, p)
		if len(p.held) > 0 {
			dst = e.write(dst, p, p.heldKind, p.held, nil)
			p.held = nil
		}
		if p.ended {
			dst = e.close(dst)
		}
	}
	return dst
}

// opening writes the beginning of a block.
func (e *ChunkEncoder) opening(dst []byte, p *sentPart) []byte {
	b := &encoder{buf: append(e.scratch[:0], `{"type":"content_block_start","index":`...)}
	b.integer(int64(p.block))
	b.raw(`,"content_block":`)
	switch content := p.part.GetContent().(type) {
	case *llmv1.Part_Thinking:
		if data := content.Thinking.GetRedacted(); len(data) > 0 {
			b.raw(`{"type":"redacted_thinking","data":`)
			b.text(string(data))
		} else {
			b.raw(`{"type":"thinking","thinking":"","signature":""`)
		}
	case *llmv1.Part_ToolCall:
		b.raw(`{"type":"tool_use","id":`)
		b.text(content.ToolCall.GetId())
		b.raw(`,"name":`)
		b.text(content.ToolCall.GetName())
		b.raw(`,"input":{}`)
	default:
		b.raw(`{"type":"text","text":""`)
	}
	b.raw(`}}`)
	e.scratch = b.buf
	return e.emit(dst, blockStart, e.scratch)
}

var (
	bareText     = newText("")
	bareThinking = newThinking("", "")
)

// deltaOf writes a delta, or keeps it while its part waits. A part that has not
// begun begins with it, and one that has ended goes on in a block of its own.
func (e *ChunkEncoder) deltaOf(dst []byte, ev *stream.Event, f *nativeFrame) []byte {
	at := e.find(ev.Index)
	if at < 0 || at != e.current && e.parts[at].block >= 0 {
		switch {
		case ev.Kind == stream.Text:
			dst = e.start(dst, ev.Index, bareText)
		case ev.Kind == stream.Thinking:
			dst = e.start(dst, ev.Index, bareThinking)
		default:
			return dst // behind the end of a call, where only white space can stand
		}
		at = len(e.parts) - 1
	}
	p := &e.parts[at]
	if at != e.current {
		p.held, p.heldKind = append(p.held, ev.Delta...), ev.Kind
		return dst
	}
	dst = e.write(dst, p, ev.Kind, ev.Delta, f)
	return e.proceed(dst)
}

// write writes a delta of the open block.
func (e *ChunkEncoder) write(dst []byte, p *sentPart, kind stream.Kind, delta []byte, f *nativeFrame) []byte {
	b := encoder{buf: append(e.scratch[:0], `{"type":"content_block_delta","index":`...)}
	b.integer(int64(p.block))
	switch kind {
	case stream.Text:
		if len(e.sources) > 0 {
			p.text = append(p.text, delta...)
		}
		b.raw(`,"delta":{"type":"text_delta","text":`)
	case stream.Thinking:
		b.raw(`,"delta":{"type":"thinking_delta","thinking":`)
	default:
		p.arguments.add(delta)
		b.raw(`,"delta":{"type":"input_json_delta","partial_json":`)
	}
	b.buf = jsonscan.AppendString(b.buf, delta)
	b.raw(`}`)
	if f != nil && f.kind == blockDelta {
		b.buf = f.appendExtras(b.buf)
	}
	b.raw(`}`)
	e.scratch = b.buf
	return e.emit(dst, blockDelta, e.scratch)
}

func (e *ChunkEncoder) partStop(dst []byte, ev *stream.Event, f *nativeFrame) []byte {
	at := e.find(ev.Index)
	if at < 0 || at != e.current && e.parts[at].block >= 0 {
		return dst
	}
	p := &e.parts[at]
	p.ended, p.stop = true, *ev
	if at != e.current {
		return dst
	}
	if f != nil && f.kind == blockStop && e.clientIndex(f) == p.block {
		dst = e.cite(dst, nil)
		dst = e.emitAt(dst, f, p.block)
		e.current = -1
		return e.proceed(dst)
	}
	dst = e.close(dst)
	return e.proceed(dst)
}

// close ends the open block: with its signature and citations, as far as they
// have not passed already.
func (e *ChunkEncoder) close(dst []byte) []byte {
	p := &e.parts[e.current]
	if p.stop.Signature != "" && p.part.GetThinking() != nil {
		b := &encoder{buf: append(e.scratch[:0], `{"type":"content_block_delta","index":`...)}
		b.integer(int64(p.block))
		b.raw(`,"delta":{"type":"signature_delta","signature":`)
		b.text(p.stop.Signature)
		b.raw(`}}`)
		e.scratch = b.buf
		dst = e.emit(dst, blockDelta, e.scratch)
	}
	var citations []*llmv1.Citation
	if p.part != nil {
		citations = p.stop.Citations
	}
	dst = e.cite(dst, citations)
	b := &encoder{buf: append(e.scratch[:0], `{"type":"content_block_stop","index":`...)}
	b.integer(int64(p.block))
	b.raw(`}`)
	e.scratch = b.buf
	e.current = -1
	return e.emit(dst, blockStop, e.scratch)
}

// closeAll ends the open block and writes those that wait.
func (e *ChunkEncoder) closeAll(dst []byte) []byte {
	for e.current >= 0 || len(e.waiting) > 0 {
		if e.current >= 0 {
			dst = e.close(dst)
		}
		dst = e.proceed(dst)
	}
	return dst
}

// cite writes the citations of the open block, and the sources whose markers
// stand in its text.
func (e *ChunkEncoder) cite(dst []byte, have []*llmv1.Citation) []byte {
	if e.current < 0 || len(have) == 0 && len(e.sources) == 0 {
		return dst
	}
	p := &e.parts[e.current]
	for i, c := range cited(have, e.sources, string(p.text)) {
		b := &encoder{buf: append(e.scratch[:0], `{"type":"content_block_delta","index":`...)}
		b.integer(int64(p.block))
		b.raw(`,"delta":{"type":"citations_delta","citation":`)
		b.buf = appendCitation(b.buf, c, i)
		b.raw(`}}`)
		e.scratch = b.buf
		dst = e.emit(dst, blockDelta, e.scratch)
	}
	return dst
}

// finishOf ends the blocks. The reason waits for the counts, which other formats
// send behind it, unless the provider's own frame tells both.
func (e *ChunkEncoder) finishOf(dst []byte, ev *stream.Event, f *nativeFrame) []byte {
	dst = e.begin(dst)
	dst = e.closeAll(dst)
	e.finish, e.finished = *ev, true
	if f == nil || f.kind != messageDelta || !f.finishes || e.told {
		return dst
	}
	e.told = true
	if finishReason(f.data[f.reason.Start+1:f.reason.End-1]) == ev.Reason {
		return e.emit(dst, f.kind, f.data)
	}
	e.scratch = append(e.scratch[:0], f.data[:f.reason.Start]...)
	e.scratch = jsonscan.AppendString(e.scratch, finishName(ev.Reason, ev.Stop))
	e.scratch = append(e.scratch, f.data[f.reason.End:]...)
	return e.emit(dst, f.kind, e.scratch)
}

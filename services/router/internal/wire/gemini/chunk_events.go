package gemini

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// events writes the events of a chunk: one frame as long as they are of one
// candidate. native is the frame they came in, if it was one of this format.
func (e *ChunkEncoder) events(dst []byte, c *stream.Chunk, native []byte) []byte {
	e.w.buf = dst
	for i := range c.Events {
		if ev := &c.Events[i]; ev.Kind == stream.Start {
			e.id, e.model = ev.ID, ev.Model
		}
	}
	e.around(native)
	for i := range c.Events {
		ev := &c.Events[i]
		switch ev.Kind {
		case stream.Usage:
			e.usage, e.usageSent = ev.Tokens, false
		case stream.Error:
			e.closeFrame()
			return e.Fail(e.w.buf, errs.New(ev.Failure.GetReason(), "%s", ev.Failure.GetMessage()))
		case stream.Start, stream.Notice:
		default:
			e.event(ev, native)
		}
	}
	e.closeFrame()
	return e.w.buf
}

// event writes one event, if it shows in this format at all.
func (e *ChunkEncoder) event(ev *stream.Event, native []byte) {
	o := e.out(ev.Candidate)
	switch ev.Kind {
	case stream.Text:
		e.noteText(o, ev.Delta)
		if len(ev.Delta) > 0 {
			e.openFrame(ev.Candidate, native)
			e.w.comma()
			e.w.raw(`{"text":`)
			e.w.text(jsonscan.Alias(ev.Delta))
			e.w.raw(`}`)
		}
	case stream.Thinking:
		if len(ev.Delta) > 0 {
			e.openFrame(ev.Candidate, native)
			e.w.comma()
			e.w.thought(jsonscan.Alias(ev.Delta), "", nil)
		}
	case stream.ToolArguments:
		if call := o.call(ev.Index); call != nil {
			call.arguments = append(call.arguments, ev.Delta...)
		}
	case stream.PartStart:
		e.partStart(ev, o, native)
	case stream.PartStop:
		e.partStop(ev, o, native)
	case stream.Finish:
		for len(o.calls) > 0 {
			e.writeCall(o, &o.calls[0], ev.Candidate, "", native)
		}
		o.done, o.reason = true, ev.Reason
	}
}

func (e *ChunkEncoder) partStart(ev *stream.Event, o *outgoing, native []byte) {
	switch content := ev.Part.GetContent().(type) {
	case *llmv1.Part_ToolCall:
		o.calls = append(o.calls, openCall{
			part: ev.Index, id: content.ToolCall.GetId(), name: content.ToolCall.GetName(),
			arguments: []byte(content.ToolCall.GetArguments()),
		})
	case *llmv1.Part_Text:
		if content.Text.GetText() != "" {
			e.noteText(o, []byte(content.Text.GetText()))
			e.openFrame(ev.Candidate, native)
			e.w.answerPart(ev.Part)
		}
	case *llmv1.Part_Thinking:
		if t := content.Thinking; t.GetText() != "" || len(t.GetRedacted()) > 0 {
			e.openFrame(ev.Candidate, native)
			e.w.answerPart(ev.Part)
		}
	case *llmv1.Part_Image, *llmv1.Part_Audio, *llmv1.Part_Document:
		e.openFrame(ev.Candidate, native)
		e.w.answerPart(ev.Part)
	}
}

// partStop writes what only the end of a part shows: a call, or the signature
// of thinking.
func (e *ChunkEncoder) partStop(ev *stream.Event, o *outgoing, native []byte) {
	o.citations = append(o.citations, ev.Citations...)
	if call := o.call(ev.Index); call != nil {
		e.writeCall(o, call, ev.Candidate, ev.Signature, native)
		return
	}
	if ev.Signature != "" {
		e.openFrame(ev.Candidate, native)
		e.w.comma()
		e.w.thought("", ev.Signature, nil)
	}
	if ev.Seal != "" {
		e.openFrame(ev.Candidate, native)
		e.w.comma()
		e.w.raw(`{"text":"","thoughtSignature":`)
		e.w.text(ev.Seal)
		e.w.raw(`}`)
	}
}

// call returns the open call of a part; nil if it is none.
func (o *outgoing) call(part int32) *openCall {
	for i := range o.calls {
		if o.calls[i].part == part {
			return &o.calls[i]
		}
	}
	return nil
}

// writeCall writes a call that is complete.
func (e *ChunkEncoder) writeCall(o *outgoing, call *openCall, candidate int32, signature string, native []byte) {
	part := newCall(call.id, call.name, string(call.arguments))
	part.GetToolCall().Signature = signature
	for i := range o.calls {
		if &o.calls[i] == call {
			o.calls = append(o.calls[:i], o.calls[i+1:]...)
			break
		}
	}
	if args := part.GetToolCall().GetArguments(); strings.TrimSpace(args) != "" && !isObject(args) {
		o.broken = part.GetToolCall().GetName()
		return
	}
	e.openFrame(candidate, native)
	e.w.answerPart(part)
}

// openFrame goes on with the frame of a candidate, or begins one, so that a
// part can follow.
func (e *ChunkEncoder) openFrame(candidate int32, native []byte) {
	if e.open == candidate {
		return
	}
	e.closeFrame()
	e.open = candidate
	e.extrasOf(native, candidate)
	e.w.buf, e.from = e.begin(e.w.buf)
	e.w.raw(`{"candidates":[{"content":{"parts":[`)
}

func (e *ChunkEncoder) closeFrame() {
	if e.open < 0 {
		return
	}
	e.w.raw(`],"role":"model"},"index":`)
	e.w.raw(itoa(int64(e.open)))
	e.w.buf = append(e.w.buf, e.extras...)
	e.w.raw(`}]`)
	e.w.buf = append(e.w.buf, e.tail...)
	e.w.raw(`}`)
	e.open = -1
	e.w.buf = e.end(e.w.buf, e.from)
}

// around takes the members that stand beside the candidates of a native frame,
// but for those that say what the last frame says; without one, our own.
func (e *ChunkEncoder) around(native []byte) {
	if native == nil {
		e.plainTail()
		return
	}
	s := newScanner(native)
	e.tail = e.tail[:0]
	for s.Open('{'); s.Next('}'); {
		start := s.At
		switch string(s.Key()) {
		case "candidates", "usageMetadata":
			s.Skip()
		default:
			if s.Skip(); s.Err == nil {
				e.tail = append(append(e.tail, ','), native[start:s.At]...)
			}
		}
	}
	if s.Err != nil {
		e.plainTail()
	}
}

// extrasOf takes the unknown members of a candidate of a native frame. What
// spells the text as it was is left out.
func (e *ChunkEncoder) extrasOf(native []byte, candidate int32) {
	e.extras = e.extras[:0]
	if native == nil {
		return
	}
	s := newScanner(native)
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) != "candidates" {
			s.Skip()
			continue
		}
		s.elements(func() { e.extrasOfChoice(&s, candidate) })
	}
	if s.Err != nil {
		e.extras = e.extras[:0]
	}
}

func (e *ChunkEncoder) extrasOfChoice(s *scanner, candidate int32) {
	from, index := len(e.extras), int64(0)
	for s.Open('{'); s.Next('}'); {
		start := s.At
		switch string(s.Key()) {
		case "index":
			index, _ = s.Integer()
		case "content", "finishReason", "finishMessage", "logprobsResult", "groundingMetadata":
			s.Skip()
		default:
			s.Skip()
			e.extras = append(append(e.extras, ','), s.Data[start:s.At]...)
		}
	}
	if index != int64(candidate) {
		e.extras = e.extras[:from]
	}
}

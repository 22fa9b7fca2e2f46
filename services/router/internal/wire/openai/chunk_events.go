package openai

import (
	"bytes"
	"strconv"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// events writes each event as a frame of its own. native is the frame they came
// in, if it was one of this format.
func (e *ChunkEncoder) events(dst []byte, c *stream.Chunk, native []byte) []byte {
	for i := range c.Events {
		if ev := &c.Events[i]; ev.Kind == stream.Start {
			e.id, e.model = ev.ID, ev.Model
		}
	}
	choices := e.begin(native)
	e.chunk++
	if native != nil {
		e.details = e.details || bytes.Contains(native, []byte(`"reasoning_details"`))
	}
	for i := range c.Events {
		ev := &c.Events[i]
		switch ev.Kind {
		case stream.Usage:
			e.usage = ev.Tokens
		case stream.Error:
			return e.Fail(dst, errs.New(ev.Failure.GetReason(), "%s", ev.Failure.GetMessage()))
		default:
			if ev.Kind == stream.Finish && e.out(ev.Candidate).markers.uncited() {
				dst = e.cite(dst, ev.Candidate)
			}
			dst = e.event(dst, ev, choices)
		}
	}
	return dst
}

// event writes one event as a frame, if it shows in this format at all. choices
// are those of the frame it came in.
func (e *ChunkEncoder) event(dst []byte, ev *stream.Event, choices []byte) []byte {
	o := e.out(ev.Candidate)
	mark := len(dst)
	dst = append(dst, "data: "...)
	headAt := len(dst)
	dst = append(dst, e.head...)
	dst = append(dst, `"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(ev.Candidate), 10)
	dst = append(dst, `,"delta":{`...)
	if !o.role {
		dst = append(dst, `"role":"assistant",`...)
	}
	dst, shown := e.delta(dst, ev, o)
	if !shown {
		return dst[:mark]
	}
	o.seen, o.role = true, true
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	dst = append(dst, '}')
	if len(choices) > 0 && o.extras != e.chunk { // unknown members go with the first event
		o.extras = e.chunk
		dst = appendExtras(dst, choices, int64(ev.Candidate))
	}
	dst = append(dst, `,"finish_reason":`...)
	if ev.Kind == stream.Finish {
		o.finished = true
		dst = jsonscan.AppendString(dst, finishName(ev.Reason))
		dst = appendEnd(dst, ev.Reason, ev.Stop)
	} else {
		dst = append(dst, "null"...)
	}
	dst = append(dst, "}]}"...)
	return splitLines(dst, headAt)
}

// splitLines ends a frame. Members taken from a native frame may hold line
// breaks between values, which must each begin a new line of data.
func splitLines(dst []byte, from int) []byte {
	if bytes.IndexByte(dst[from:], '\n') < 0 {
		return append(dst, "\n\n"...)
	}
	frame := append([]byte(nil), dst[from:]...)
	return appendEvent(dst[:from-len("data: ")], frame)
}

// delta writes the members of the delta; shown is false if there are none.
func (e *ChunkEncoder) delta(dst []byte, ev *stream.Event, o *outgoing) (_ []byte, shown bool) {
	switch ev.Kind {
	case stream.Start:
		if o.role {
			return dst, false
		}
		return append(dst, `"content":""`...), true
	case stream.Text:
		o.markers.add(ev.Delta, e.sources)
		dst = append(dst, `"content":`...)
		return jsonscan.AppendString(dst, ev.Delta), len(ev.Delta) > 0
	case stream.Thinking:
		if len(ev.Delta) == 0 {
			return dst, false
		}
		return appendThinking(dst, ev.Delta, o.thoughtAt(ev.Index), !e.native || e.details), true
	case stream.ToolArguments:
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, o.tool(ev.Index), 10)
		dst = append(dst, `,"function":{"arguments":`...)
		dst = jsonscan.AppendString(dst, ev.Delta)
		return append(dst, `}}]`...), len(ev.Delta) > 0
	case stream.PartStart:
		return e.partStart(dst, ev, o)
	case stream.PartStop:
		return appendPartStop(dst, ev, o)
	case stream.Finish:
		return dst, true
	default:
		return dst, false
	}
}

func (e *ChunkEncoder) partStart(dst []byte, ev *stream.Event, o *outgoing) ([]byte, bool) {
	if text := ev.Part.GetText().GetText(); text != "" {
		dst = append(dst, `"content":`...)
		return jsonscan.AppendString(dst, text), true
	}
	if t := ev.Part.GetThinking(); t != nil {
		return appendThought(dst, t, o.thoughtAt(ev.Index), !e.native || e.details)
	}
	call := ev.Part.GetToolCall()
	if call == nil {
		return dst, false
	}
	dst = append(dst, `"tool_calls":[{"index":`...)
	dst = strconv.AppendInt(dst, o.tool(ev.Index), 10)
	dst = append(dst, `,"id":`...)
	dst = jsonscan.AppendString(dst, call.GetId())
	dst = append(dst, `,"type":"function","function":{"name":`...)
	dst = jsonscan.AppendString(dst, call.GetName())
	dst = append(dst, `,"arguments":`...)
	dst = jsonscan.AppendString(dst, call.GetArguments())
	dst = append(dst, '}')
	if call.GetSignature() != "" {
		dst = appendCallSignature(append(dst, ','), call.GetSignature())
	}
	return append(dst, `}]`...), true
}

// appendExtras writes the unknown members of a candidate of a native frame.
// Log probabilities are left out: they spell the text as it was.
func appendExtras(dst, choices []byte, candidate int64) []byte {
	if choices[0] != '[' {
		return dst
	}
	s := newScanner(choices)
	mark := len(dst)
	for s.Open('['); s.Next(']'); {
		if s.Peek() != '{' {
			s.Skip()
			continue
		}
		from, index := len(dst), int64(0)
		for s.Open('{'); s.Next('}'); {
			start := s.At
			switch string(s.Key()) {
			case "index":
				index, _ = s.Integer()
			case "delta", "finish_reason", "logprobs":
				s.Skip()
			default:
				s.Skip()
				dst = append(append(dst, ','), choices[start:s.At]...)
			}
		}
		if index != candidate {
			dst = dst[:from]
		}
	}
	if s.Err != nil {
		return dst[:mark]
	}
	return dst
}

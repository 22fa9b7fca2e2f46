package converse

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// received is a message of a provider whose events were revised. Its unknown
// members go on with the event that it was read as.
type received struct {
	raw, payload []byte
	// kind is the event that it is read as, index its block's.
	kind  stream.Kind
	index int64
	// text is where the piece of text stands in the payload, if it has one.
	text   jsonscan.Token
	reason llmv1.FinishReason
	// texts and kinds count what the delta holds. Only one text of one kind can
	// be changed where it stands.
	texts, kinds int
}

// receive takes a provider's message apart.
func receive(raw []byte) (received, bool) {
	m, err := eventstream.Parse(raw)
	if err != nil || m.Kind != eventstream.Event {
		return received{}, false
	}
	r := received{raw: raw, payload: m.Payload}
	delta := false
	switch string(m.Type) {
	case "messageStart":
		r.kind = stream.Start
	case "contentBlockStart":
		r.kind = stream.PartStart
	case "contentBlockStop":
		r.kind = stream.PartStop
	case "messageStop":
		r.kind = stream.Finish
	case "metadata":
		r.kind = stream.Usage
	case "contentBlockDelta":
		delta = true
	default:
		return received{}, false
	}
	s := jsonscan.Scanner{Data: m.Payload}
	for s.Open('{'); s.Next('}'); {
		switch key := string(s.Key()); {
		case key == "contentBlockIndex":
			r.index, _ = s.Integer()
		case key == "stopReason":
			r.reason = finishReason(s.Inner(s.OptionalText()))
		case key == "delta" && delta && s.Peek() == '{':
			r.delta(&s)
		default:
			s.Skip()
		}
	}
	return r, s.Err == nil && r.kind != 0 && r.kinds <= 1 && r.texts <= 1
}

// delta finds the piece of text of a delta: in it, or in what it holds.
func (r *received) delta(s *jsonscan.Scanner) {
	for s.Open('{'); s.Next('}'); {
		r.kinds++
		switch key := string(s.Key()); {
		case key == "text":
			r.found(stream.Text, s.OptionalText())
		case (key == "toolUse" || key == "reasoningContent") && s.Peek() == '{':
			for s.Open('{'); s.Next('}'); {
				switch inner := string(s.Key()); {
				case key == "toolUse" && inner == "input":
					r.found(stream.ToolArguments, s.OptionalText())
				case key == "reasoningContent" && inner == "text":
					r.found(stream.Thinking, s.OptionalText())
				default:
					s.Skip()
				}
			}
		default:
			s.Skip()
		}
	}
}

func (r *received) found(kind stream.Kind, t jsonscan.Token) {
	if t.Start != 0 {
		r.kind, r.text = kind, t
		r.texts++
	}
}

// is says whether an event is what the message was read as.
func (r *received) is(ev *stream.Event) bool {
	if r.kind != ev.Kind {
		return false
	}
	switch ev.Kind {
	case stream.Text, stream.Thinking, stream.ToolArguments:
		return r.index == int64(ev.Index) && len(ev.Delta) > 0
	case stream.PartStart, stream.PartStop:
		return r.index == int64(ev.Index)
	case stream.Finish:
		return r.reason == ev.Reason
	default:
		return true
	}
}

// renew writes a provider's message with what its event says now.
func (e *ChunkEncoder) renew(dst []byte, ev *stream.Event, r *received) []byte {
	switch ev.Kind {
	case stream.Text, stream.Thinking, stream.ToolArguments:
		dst = e.note(e.enter(dst, ev.Index), ev)
		mark := len(dst)
		dst = append(eventstream.Open(dst, "contentBlockDelta"), r.payload[:r.text.Start]...)
		dst = jsonscan.AppendEscaped(dst, ev.Delta)
		return eventstream.Close(append(dst, r.payload[r.text.End:]...), mark)
	case stream.PartStart:
		if e.open != ev.Index {
			dst = e.close(dst)
		}
	case stream.PartStop:
		if e.open != ev.Index {
			return e.partStop(dst, ev) // nothing of it was let through
		}
	case stream.Finish:
		dst = e.close(dst)
	}
	return append(e.note(dst, ev), r.raw...)
}

package openai

import (
	"slices"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// thoughtAt returns the client's number of a part of thinking.
func (o *outgoing) thoughtAt(part int32) int64 {
	if o.thought != part+1 {
		o.thought = part + 1
		o.thoughts++
	}
	return o.thoughts - 1
}

// appendThinking writes a piece of thinking; as an entry of the list too, if its
// signature may follow.
func appendThinking[T string | []byte](dst []byte, text T, number int64, list bool) []byte {
	dst = append(dst, `"reasoning_content":`...)
	dst = jsonscan.AppendString(dst, text)
	if list {
		dst = append(dst, `,"reasoning_details":[`...)
		dst = append(appendDetail(dst, number, "text", text), ']')
	}
	return dst
}

// appendThought writes what a part of thinking begins with; shown is false if
// that is nothing.
func appendThought(dst []byte, t *llmv1.Thinking, number int64, list bool) (_ []byte, shown bool) {
	if len(t.GetRedacted()) > 0 {
		if t.GetText() != "" {
			dst = append(appendThinking(dst, t.GetText(), number, false), ',')
		}
		dst = append(dst, `"reasoning_details":[`...)
		return append(appendEncrypted(dst, number, t.GetRedacted()), ']'), true
	}
	if t.GetText() == "" {
		return dst, false
	}
	return appendThinking(dst, t.GetText(), number, list), true
}

// appendPartStop writes what is known at the end of a part: the signature of
// thinking or of a call, the sources of a text.
func appendPartStop(dst []byte, ev *stream.Event, o *outgoing) (_ []byte, shown bool) {
	switch {
	case ev.Signature != "" && slices.Contains(o.tools, ev.Index):
		dst = append(dst, `"tool_calls":[{"index":`...)
		dst = strconv.AppendInt(dst, o.tool(ev.Index), 10)
		dst = append(dst, `,"function":{"arguments":""},`...) // SDKs ask for it in every piece of a call
		dst = appendCallSignature(dst, ev.Signature)
		return append(dst, `}]`...), true
	case ev.Signature != "":
		dst = append(dst, `"reasoning_details":[`...)
		dst = appendDetail(dst, o.thoughtAt(ev.Index), "signature", ev.Signature)
		return append(dst, ']'), true
	case len(ev.Citations) > 0:
		dst = append(dst, `"annotations":`...)
		return o.markers.appendKnown(dst, ev.Citations), true
	default:
		return dst, false
	}
}

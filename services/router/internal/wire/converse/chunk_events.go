package converse

import (
	"encoding/base64"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// start begins the message, once.
func (e *ChunkEncoder) start(dst []byte) []byte {
	if e.started {
		return dst
	}
	e.started = true
	return eventstream.Append(dst, "messageStart", []byte(`{"role":"assistant"}`))
}

// enter makes a block the one that content goes to, which ends the one before:
// blocks do not overlap in this format.
func (e *ChunkEncoder) enter(dst []byte, index int32) []byte {
	dst = e.start(dst)
	if e.open != index {
		dst = e.close(dst)
	}
	e.at(index)
	return dst
}

// close ends the open block.
func (e *ChunkEncoder) close(dst []byte) []byte {
	if e.open == noBlock {
		return dst
	}
	mark := len(dst)
	dst = openBlock(dst, "contentBlockStop", e.open)
	e.open = noBlock
	return eventstream.Close(append(dst, '}'), mark)
}

// openBlock begins a message that is about a block; its last bracket is the caller's.
func openBlock(dst []byte, kind string, index int32) []byte {
	dst = eventstream.Open(dst, kind)
	dst = append(dst, `{"contentBlockIndex":`...)
	return strconv.AppendInt(dst, int64(index), 10)
}

// delta writes a piece of a text.
func (e *ChunkEncoder) delta(dst []byte, ev *stream.Event, before, after string) []byte {
	if len(ev.Delta) == 0 {
		return dst
	}
	return appendDelta(e.enter(dst, ev.Index), ev.Index, before, ev.Delta, after)
}

func appendDelta[T string | []byte](dst []byte, index int32, before string, text T, after string) []byte {
	mark := len(dst)
	dst = openBlock(dst, "contentBlockDelta", index)
	dst = append(append(dst, `,"delta":`...), before...)
	dst = jsonscan.AppendString(dst, text)
	dst = append(append(dst, after...), '}')
	return eventstream.Close(dst, mark)
}

// partStart begins a block. Only that of a tool call has a message for it.
func (e *ChunkEncoder) partStart(dst []byte, ev *stream.Event) []byte {
	if call := ev.Part.GetToolCall(); call != nil {
		dst = e.enter(dst, ev.Index)
		mark := len(dst)
		dst = openBlock(dst, "contentBlockStart", ev.Index)
		dst = append(dst, `,"start":{"toolUse":{"toolUseId":`...)
		dst = jsonscan.AppendString(dst, call.GetId())
		dst = append(dst, `,"name":`...)
		dst = jsonscan.AppendString(dst, call.GetName())
		dst = eventstream.Close(append(dst, `}}}`...), mark)
		if call.GetArguments() != "" {
			dst = appendDelta(dst, ev.Index, `{"toolUse":{"input":`, call.GetArguments(), `}}`)
		}
		return dst
	}
	if thought := ev.Part.GetThinking(); thought != nil {
		e.thinking = ev.Index
		if len(thought.GetRedacted()) > 0 {
			data := base64.StdEncoding.EncodeToString(thought.GetRedacted())
			return appendDelta(e.enter(dst, ev.Index), ev.Index, `{"reasoningContent":{"redactedContent":`, data, `}}`)
		}
		if thought.GetText() != "" {
			return appendDelta(e.enter(dst, ev.Index), ev.Index, `{"reasoningContent":{"text":`, thought.GetText(), `}}`)
		}
	}
	if text := ev.Part.GetText().GetText(); text != "" {
		e.markers.add([]byte(text), e.sources)
		return appendDelta(e.enter(dst, ev.Index), ev.Index, `{"text":`, text, `}`)
	}
	return dst
}

// partStop ends a block. One that had to end before, for another began, stays
// ended.
func (e *ChunkEncoder) partStop(dst []byte, ev *stream.Event) []byte {
	e.found = append(e.found, ev.Citations...)
	if ev.Signature != "" && ev.Index == e.thinking && (e.open == ev.Index || ev.Index >= e.next) {
		dst = appendDelta(e.enter(dst, ev.Index), ev.Index, `{"reasoningContent":{"signature":`, ev.Signature, `}}`)
	}
	if e.open == ev.Index {
		dst = e.close(dst)
	}
	return dst
}

// cite writes citations in a block of their own.
func (e *ChunkEncoder) cite(dst []byte, citations []*llmv1.Citation) []byte {
	if len(citations) == 0 {
		return dst
	}
	dst = e.enter(dst, e.next)
	for _, c := range citations {
		mark := len(dst)
		dst = openBlock(dst, "contentBlockDelta", e.open)
		dst = append(dst, `,"delta":{"citation":`...)
		dst = appendCitation(dst, c)
		dst = eventstream.Close(append(dst, `}}`...), mark)
	}
	return e.close(dst)
}

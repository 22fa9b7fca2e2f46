package responses

import (
	"slices"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// event writes what one event of the answer means for its items.
func (e *ChunkEncoder) event(dst []byte, ev *stream.Event) []byte {
	switch ev.Kind {
	case stream.PartStart:
		return e.partStart(dst, ev)
	case stream.Text:
		return e.textDelta(dst, ev.Index, ev.Delta)
	case stream.Thinking:
		return e.thinkingDelta(dst, ev.Index, ev.Delta)
	case stream.ToolArguments:
		return e.argumentsDelta(dst, ev.Index, ev.Delta)
	case stream.PartStop:
		return e.partStop(dst, ev)
	case stream.Finish:
		e.finished = true
		e.response.end(ev.Reason)
		dst = e.closeAll(dst)
	}
	return dst
}

func (e *ChunkEncoder) partStart(dst []byte, ev *stream.Event) []byte {
	switch c := ev.Part.GetContent().(type) {
	case *llmv1.Part_Text:
		return e.textDelta(dst, ev.Index, []byte(c.Text.GetText()))
	case *llmv1.Part_Thinking:
		dst, it := e.add(dst, reasoning, ev.Index, func(it *item) {
			it.seal = seal{Signature: c.Thinking.GetSignature(), Redacted: c.Thinking.GetRedacted()}
		})
		return e.summaryDelta(dst, it, []byte(c.Thinking.GetText()))
	case *llmv1.Part_ToolCall:
		dst = e.callSignature(dst, c.ToolCall.GetId(), c.ToolCall.GetSignature())
		dst, _ = e.add(dst, call, ev.Index, func(it *item) {
			it.callID, it.name, it.seal.Signature = c.ToolCall.GetId(), c.ToolCall.GetName(), c.ToolCall.GetSignature()
		})
		return e.argumentsDelta(dst, ev.Index, []byte(c.ToolCall.GetArguments()))
	}
	return dst
}

// add begins an item. Messages and reasoning end where another item begins;
// calls may be written side by side.
func (e *ChunkEncoder) add(dst []byte, k kind, part int32, set func(*item)) ([]byte, *item) {
	for _, it := range slices.Clone(e.open) {
		if it.kind != call {
			dst = e.close(dst, it)
		}
	}
	it := e.response.add(k)
	it.part = part
	if set != nil {
		set(it)
	}
	e.open = append(e.open, it)
	dst = e.begin(dst, "response.output_item.added")
	dst = e.at(dst, it, false)
	dst = append(dst, `,"item":`...)
	return end(appendItem(dst, it)), it
}

// callSignature writes the item that carries the signature of a call.
func (e *ChunkEncoder) callSignature(dst []byte, id, signature string) []byte {
	if signature == "" {
		return dst
	}
	dst, it := e.add(dst, reasoning, -1, func(it *item) { it.seal = seal{Signature: signature, Call: id} })
	return e.close(dst, it)
}

// at writes where an event belongs.
func (e *ChunkEncoder) at(dst []byte, it *item, named bool) []byte {
	if named {
		dst = append(dst, `,"item_id":`...)
		dst = jsonscan.AppendString(dst, it.id)
	}
	dst = append(dst, `,"output_index":`...)
	return strconv.AppendInt(dst, int64(slices.Index(e.response.items, it)), 10)
}

func (e *ChunkEncoder) inContent(dst []byte, it *item, index int) []byte {
	dst = e.at(dst, it, true)
	dst = append(dst, `,"content_index":`...)
	return strconv.AppendInt(dst, int64(index), 10)
}

// textDelta goes on with a text, or begins one, in the open message if there is one.
func (e *ChunkEncoder) textDelta(dst []byte, part int32, delta []byte) []byte {
	if len(delta) == 0 {
		return dst
	}
	var it *item
	if i := slices.IndexFunc(e.open, func(it *item) bool { return it.kind == message }); i >= 0 {
		it = e.open[i]
	} else {
		dst, it = e.add(dst, message, part, nil)
	}
	last := len(it.content) - 1
	if last < 0 || it.content[last].part != part || it.content[last].ended {
		dst = e.endContent(dst, it)
		it.content = append(it.content, content{part: part})
		last++
		dst = e.inContent(e.begin(dst, "response.content_part.added"), it, last)
		dst = append(dst, `,"part":`...)
		dst = end(appendContent(dst, &it.content[last]))
	}
	it.content[last].text = append(it.content[last].text, delta...)
	dst = e.inContent(e.begin(dst, "response.output_text.delta"), it, last)
	dst = append(dst, `,"delta":`...)
	dst = jsonscan.AppendString(dst, delta)
	return end(append(dst, `,"logprobs":[]`...))
}

// endContent ends the last text of a message, if it is open.
func (e *ChunkEncoder) endContent(dst []byte, it *item) []byte {
	last := len(it.content) - 1
	if last < 0 || it.content[last].ended {
		return dst
	}
	c := &it.content[last]
	c.ended = true
	named := c.citations
	c.citations = nil
	sources := make([]*llmv1.Citation, 0, len(named))
	for _, one := range named {
		sources = append(sources, one.source)
	}
	c.cite(sources, e.sources)
	for i := range c.citations {
		dst = e.inContent(e.begin(dst, "response.output_text.annotation.added"), it, last)
		dst = append(dst, `,"annotation_index":`...)
		dst = strconv.AppendInt(dst, int64(i), 10)
		dst = append(dst, `,"annotation":`...)
		dst = end(appendCitation(dst, &c.citations[i]))
	}
	dst = e.inContent(e.begin(dst, "response.output_text.done"), it, last)
	dst = append(dst, `,"text":`...)
	dst = jsonscan.AppendString(dst, c.text)
	dst = end(append(dst, `,"logprobs":[]`...))
	dst = e.inContent(e.begin(dst, "response.content_part.done"), it, last)
	dst = append(dst, `,"part":`...)
	return end(appendContent(dst, c))
}

func (e *ChunkEncoder) find(k kind, part int32) *item {
	for _, it := range e.open {
		if it.kind == k && it.part == part {
			return it
		}
	}
	return nil
}

func (e *ChunkEncoder) thinkingDelta(dst []byte, part int32, delta []byte) []byte {
	it := e.find(reasoning, part)
	if it == nil {
		dst, it = e.add(dst, reasoning, part, nil)
	}
	return e.summaryDelta(dst, it, delta)
}

func (e *ChunkEncoder) summaryDelta(dst []byte, it *item, delta []byte) []byte {
	if len(delta) == 0 {
		return dst
	}
	if !it.begun {
		it.begun = true
		dst = e.at(e.begin(dst, "response.reasoning_summary_part.added"), it, true)
		dst = append(dst, `,"summary_index":0,"part":`...)
		dst = end(appendSummary(dst, nil))
	}
	it.text = append(it.text, delta...)
	dst = e.at(e.begin(dst, "response.reasoning_summary_text.delta"), it, true)
	dst = append(dst, `,"summary_index":0,"delta":`...)
	return end(jsonscan.AppendString(dst, delta))
}

func (e *ChunkEncoder) argumentsDelta(dst []byte, part int32, delta []byte) []byte {
	it := e.find(call, part)
	if it == nil || len(delta) == 0 {
		return dst
	}
	it.text = append(it.text, delta...)
	dst = e.at(e.begin(dst, "response.function_call_arguments.delta"), it, true)
	dst = append(dst, `,"delta":`...)
	return end(jsonscan.AppendString(dst, delta))
}

func (e *ChunkEncoder) partStop(dst []byte, ev *stream.Event) []byte {
	if it := e.find(call, ev.Index); it != nil {
		dst = e.close(dst, it)
		if ev.Signature != "" {
			it.seal.Signature = ev.Signature
			dst = e.callSignature(dst, it.callID, ev.Signature)
		}
		return dst
	}
	if it := e.find(reasoning, ev.Index); it != nil {
		if ev.Signature != "" {
			it.seal.Signature = ev.Signature
		}
		return e.close(dst, it)
	}
	for _, it := range e.open {
		if n := len(it.content); n > 0 && it.content[n-1].part == ev.Index {
			for _, c := range ev.Citations {
				it.content[n-1].citations = append(it.content[n-1].citations, citation{source: c})
			}
			return e.endContent(dst, it)
		}
	}
	return dst
}

func (e *ChunkEncoder) closeAll(dst []byte) []byte {
	for len(e.open) > 0 {
		dst = e.close(dst, e.open[0])
	}
	return dst
}

// close ends an item.
func (e *ChunkEncoder) close(dst []byte, it *item) []byte {
	e.open = slices.DeleteFunc(e.open, func(other *item) bool { return other == it })
	if it.status = completed; e.response.status == incomplete {
		it.status = incomplete
	}
	switch {
	case it.kind == message:
		dst = e.endContent(dst, it)
	case it.kind == call:
		dst = e.at(e.begin(dst, "response.function_call_arguments.done"), it, true)
		dst = append(dst, `,"name":`...)
		dst = jsonscan.AppendString(dst, it.name)
		dst = append(dst, `,"arguments":`...)
		dst = end(jsonscan.AppendString(dst, it.text))
	case it.begun:
		dst = e.at(e.begin(dst, "response.reasoning_summary_text.done"), it, true)
		dst = append(dst, `,"summary_index":0,"text":`...)
		dst = end(jsonscan.AppendString(dst, it.text))
		dst = e.at(e.begin(dst, "response.reasoning_summary_part.done"), it, true)
		dst = append(dst, `,"summary_index":0,"part":`...)
		dst = end(appendSummary(dst, it.text))
	}
	dst = e.at(e.begin(dst, "response.output_item.done"), it, false)
	dst = append(dst, `,"item":`...)
	return end(appendItem(dst, it))
}

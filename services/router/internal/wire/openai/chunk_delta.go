package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func (d *ChunkDecoder) deltaOf(index int64) {
	c := d.candidate(index)
	if c == nil {
		return
	}
	if d.peek() != '{' {
		d.skip()
		return
	}
	n := int32(index) // bounded by candidate
	for d.open('{'); d.next('}'); {
		switch string(d.key()) {
		case "content":
			d.contentDelta(c, n, stream.Text)
		case "reasoning_content", "reasoning":
			d.delta(c, n, stream.Thinking, d.optionalText())
		case "refusal":
			t := d.optionalText()
			c.refusal = c.refusal || t.end > t.start
			d.delta(c, n, stream.Text, t)
		case "tool_calls":
			d.toolDeltas(c, n)
		case "annotations":
			c.citations = append(c.citations, d.scanner.citations()...)
		default:
			d.skip()
		}
	}
}

// contentDelta reads a text, or the parts that some providers send instead.
// Those are passed on as deltas, for an old client would not understand them.
func (d *ChunkDecoder) contentDelta(c *candidate, n int32, kind stream.Kind) {
	if d.peek() != '[' {
		d.delta(c, n, kind, d.optionalText())
		return
	}
	d.reshaped = true
	for d.open('['); d.next(']'); {
		if d.peek() != '{' {
			d.skip()
			continue
		}
		for d.open('{'); d.next('}'); {
			switch string(d.key()) {
			case "text":
				d.delta(c, n, kind, d.optionalText())
			case "thinking":
				d.contentDelta(c, n, stream.Thinking)
			default:
				d.skip()
			}
		}
	}
}

// delta adds a piece of text or thinking, in the open part if it is of the kind.
func (d *ChunkDecoder) delta(c *candidate, n int32, kind stream.Kind, t token) {
	if t.end == t.start || d.err != nil {
		return
	}
	if c.finished {
		d.fail(errLate)
		return
	}
	if c.open != kind {
		d.stop(c, n)
		part, ok := d.newPart(c)
		if !ok {
			return
		}
		c.open, c.part = kind, part
		if kind == stream.Thinking {
			d.events = append(d.events, stream.Event{Kind: stream.PartStart, Candidate: n, Index: part, Part: newThinking("")})
		}
	}
	d.events = append(d.events, stream.Event{Kind: kind, Candidate: n, Index: c.part, Delta: d.plain(t)})
}

func (d *ChunkDecoder) newPart(c *candidate) (int32, bool) {
	if c.next == maxPartsStreamed {
		d.fail(errCount)
		return 0, false
	}
	c.next++
	return c.next - 1, true
}

// toolDelta is one entry of tool_calls. An index that is missing is -1.
type toolDelta struct {
	index               int64
	id, name, arguments token
}

func (d *ChunkDecoder) toolDeltas(c *candidate, n int32) {
	if d.peek() != '[' {
		d.skip()
		return
	}
	for d.open('['); d.next(']'); {
		if d.peek() != '{' {
			d.fail(errSyntax)
			return
		}
		one := toolDelta{index: -1}
		d.readTool(&one)
		if d.err == nil {
			d.tool(c, n, one)
		}
	}
}

func (d *ChunkDecoder) readTool(one *toolDelta) {
	for d.open('{'); d.next('}'); {
		switch key := d.key(); {
		case string(key) == "index":
			if i, ok := d.integer(); ok {
				one.index = i
			}
		case string(key) == "id":
			one.id = d.optionalText()
		case string(key) == "function" && d.peek() == '{':
			for d.open('{'); d.next('}'); {
				switch string(d.key()) {
				case "name":
					one.name = d.optionalText()
				case "arguments":
					one.arguments = d.optionalText()
				default:
					d.skip()
				}
			}
		default:
			d.skip()
		}
	}
}

// tool begins a call or goes on with one. A call is told by its index; where
// that is missing or always the same, as with some compatible servers, by its id.
func (d *ChunkDecoder) tool(c *candidate, n int32, one toolDelta) {
	if c.finished {
		d.fail(errLate)
		return
	}
	open := c.find(one, d.inner(one.id))
	if open < 0 {
		d.stop(c, n)
		part, ok := d.newPart(c)
		if !ok {
			return
		}
		id, name := string(d.plain(one.id)), string(d.plain(one.name))
		c.tools = append(c.tools, openTool{index: one.index, part: part, id: id})
		open = len(c.tools) - 1
		d.events = append(d.events, stream.Event{
			Kind: stream.PartStart, Candidate: n, Index: part,
			Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: id, Name: name}}},
		})
	}
	if one.arguments.end > one.arguments.start {
		d.events = append(d.events, stream.Event{
			Kind: stream.ToolArguments, Candidate: n, Index: c.tools[open].part, Delta: d.plain(one.arguments),
		})
	}
}

// find returns the open call that a delta goes on with; -1 if it begins one.
func (c *candidate) find(one toolDelta, id []byte) int {
	for i := len(c.tools) - 1; i >= 0; i-- {
		tool := &c.tools[i]
		other := len(id) > 0 && tool.id != "" && tool.id != string(id)
		if one.index >= 0 && tool.index == one.index {
			if other && one.name.end > one.name.start {
				return -1
			}
			return i
		}
		if one.index < 0 && !other {
			return i
		}
	}
	return -1
}

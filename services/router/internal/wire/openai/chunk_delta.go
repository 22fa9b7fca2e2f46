package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

func (d *ChunkDecoder) deltaOf(index int64) {
	c := d.candidate(index)
	if c == nil {
		return
	}
	if d.Peek() != '{' {
		d.Skip()
		return
	}
	n := int32(index) // bounded by candidate
	d.held.reset()
	for d.Open('{'); d.Next('}'); {
		switch string(d.Key()) {
		case "content":
			if d.Peek() != '[' {
				d.held.content = d.OptionalText()
				continue
			}
			d.release(c, n)
			d.contentDelta(c, n, stream.Text)
		case "reasoning_content", "reasoning":
			d.held.add(d.OptionalText())
		case "reasoning_details":
			d.held.details = d.reasoningDetails(d.held.details)
		case "refusal":
			t := d.OptionalText()
			d.release(c, n)
			c.refusal = c.refusal || t.End > t.Start
			d.delta(c, n, stream.Text, t)
		case "tool_calls":
			d.release(c, n)
			d.toolDeltas(c, n)
		case "annotations":
			c.citations = append(c.citations, d.scanner.citations()...)
		default:
			d.Skip()
		}
	}
	d.release(c, n)
}

// contentDelta reads a text, or the parts that some providers send instead.
// Those are passed on as deltas, for an old client would not understand them.
func (d *ChunkDecoder) contentDelta(c *candidate, n int32, kind stream.Kind) {
	if d.Peek() != '[' {
		d.delta(c, n, kind, d.OptionalText())
		return
	}
	d.reshaped = true
	for d.Open('['); d.Next(']'); {
		if d.Peek() != '{' {
			d.Skip()
			continue
		}
		for d.Open('{'); d.Next('}'); {
			switch string(d.Key()) {
			case "text":
				d.delta(c, n, kind, d.OptionalText())
			case "thinking":
				d.contentDelta(c, n, stream.Thinking)
			default:
				d.Skip()
			}
		}
	}
}

// delta adds a piece of text or thinking, in the open part if it is of the kind.
func (d *ChunkDecoder) delta(c *candidate, n int32, kind stream.Kind, t jsonscan.Token) {
	if t.End == t.Start || d.Err != nil {
		return
	}
	if c.finished {
		d.Fail(errLate)
		return
	}
	if c.open != kind && !d.begin(c, n, kind) {
		return
	}
	d.events = append(d.events, stream.Event{Kind: kind, Candidate: n, Index: c.part, Delta: d.plain(t)})
}

// begin opens a part in place of the open one.
func (d *ChunkDecoder) begin(c *candidate, n int32, kind stream.Kind) bool {
	d.stop(c, n)
	part, ok := d.newPart(c)
	if !ok {
		return false
	}
	c.open, c.part, c.detail = kind, part, 0
	if kind == stream.Thinking {
		d.events = append(d.events, stream.Event{Kind: stream.PartStart, Candidate: n, Index: part, Part: newThinking("")})
	}
	return true
}

func (d *ChunkDecoder) newPart(c *candidate) (int32, bool) {
	if c.next == maxPartsStreamed {
		d.Fail(errCount)
		return 0, false
	}
	c.next++
	return c.next - 1, true
}

// toolDelta is one entry of tool_calls. An index that is missing is -1.
type toolDelta struct {
	index               int64
	id, name, arguments jsonscan.Token
	signature           jsonscan.Token
}

func (d *ChunkDecoder) toolDeltas(c *candidate, n int32) {
	if d.Peek() != '[' {
		d.Skip()
		return
	}
	for d.Open('['); d.Next(']'); {
		if d.Peek() != '{' {
			d.Fail(jsonscan.ErrSyntax)
			return
		}
		one := toolDelta{index: -1}
		d.readTool(&one)
		if d.Err == nil {
			d.tool(c, n, one)
		}
	}
}

func (d *ChunkDecoder) readTool(one *toolDelta) {
	for d.Open('{'); d.Next('}'); {
		switch key := d.Key(); {
		case string(key) == "index":
			if i, ok := d.Integer(); ok {
				one.index = i
			}
		case string(key) == "id":
			one.id = d.OptionalText()
		case string(key) == "extra_content":
			one.signature = d.callSignature()
		case string(key) == "function" && d.Peek() == '{':
			for d.Open('{'); d.Next('}'); {
				switch string(d.Key()) {
				case "name":
					one.name = d.OptionalText()
				case "arguments":
					one.arguments = d.OptionalText()
				default:
					d.Skip()
				}
			}
		default:
			d.Skip()
		}
	}
}

// tool begins a call or goes on with one. A call is told by its index; where
// that is missing or always the same, as with some compatible servers, by its id.
func (d *ChunkDecoder) tool(c *candidate, n int32, one toolDelta) {
	if c.finished {
		d.Fail(errLate)
		return
	}
	open := c.find(one, d.Inner(one.id))
	if open < 0 {
		d.stop(c, n)
		part, ok := d.newPart(c)
		if !ok {
			return
		}
		id, name, signature := string(d.plain(one.id)), string(d.plain(one.name)), string(d.plain(one.signature))
		c.tools = append(c.tools, openTool{index: one.index, part: part, id: id})
		open = len(c.tools) - 1
		d.events = append(d.events, stream.Event{
			Kind: stream.PartStart, Candidate: n, Index: part,
			Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: id, Name: name, Signature: signature}}},
		})
	} else if one.signature.End > one.signature.Start {
		c.tools[open].signature = string(d.plain(one.signature))
	}
	if one.arguments.End > one.arguments.Start {
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
			if other && one.name.End > one.name.Start {
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

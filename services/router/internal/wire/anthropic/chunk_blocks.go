package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// open returns the block of the frame, which must have begun and not ended.
func (d *ChunkDecoder) open() (*openBlock, error) {
	if d.index < 0 || d.index >= int64(len(d.blocks)) || !d.blocks[d.index].begun {
		return nil, errOrder
	}
	b := &d.blocks[d.index]
	if b.ended || d.finished {
		return nil, errLate
	}
	return b, nil
}

// begin begins a block. What it holds already comes as a delta.
func (d *ChunkDecoder) begin() error {
	switch {
	case !d.started:
		return errNoStart
	case d.finished:
		return errLate
	case d.index < 0 || d.index >= maxBlocksStreamed:
		return errCount
	case d.block.End == 0 || d.Data[d.block.Start] != '{':
		return errBlock
	}
	for int64(len(d.blocks)) <= d.index {
		d.blocks = append(d.blocks, openBlock{})
	}
	b := &d.blocks[d.index]
	if b.begun {
		return errOrder
	}
	var in answerBlock
	d.At = d.block.Start
	d.scanner.block(&in)
	if d.Err != nil {
		return d.Err
	}
	b.begun, b.kind = true, in.kind
	if b.kind == otherBlock {
		return nil
	}
	b.part = d.next
	d.next++
	part := newText("")
	switch b.kind {
	case thinkingBlock:
		part = newThinking("", "")
		b.signature = append(b.signature, d.plain(in.signature)...)
	case redactedBlock:
		part = newRedacted(string(d.plain(in.data)))
	case toolBlock:
		part = newToolCall(string(d.plain(in.id)), string(d.plain(in.name)), "")
	}
	d.events = append(d.events, stream.Event{Kind: stream.PartStart, Index: b.part, Part: part})
	d.first(b, &in)
	return nil
}

// first makes a delta of what a block begins with. A call begins with an empty
// object that its deltas replace.
func (d *ChunkDecoder) first(b *openBlock, in *answerBlock) {
	switch b.kind {
	case textBlock:
		d.add(b, stream.Text, in.text)
	case thinkingBlock:
		d.add(b, stream.Thinking, in.thinking)
	case toolBlock:
		s := newScanner(d.Data[in.input.Start:in.input.End])
		if s.Peek() != '{' {
			return
		}
		if s.Open('{'); s.Next('}') {
			b.argued = true
			d.events = append(d.events, stream.Event{
				Kind: stream.ToolArguments, Index: b.part, Delta: d.Data[in.input.Start:in.input.End],
			})
		}
	}
}

// add appends a delta, unless it is empty.
func (d *ChunkDecoder) add(b *openBlock, kind stream.Kind, t jsonscan.Token) {
	if t.End > t.Start {
		d.events = append(d.events, stream.Event{Kind: kind, Index: b.part, Delta: d.plain(t)})
	}
}

// delta is what a delta holds; its type says which of it counts.
type delta struct {
	kind, text, thinking, json, signature jsonscan.Token
	citation                              *llmv1.Citation
}

// more reads a delta. Deltas of a type that the block has no use for are passed
// over, as newer ones must be.
func (d *ChunkDecoder) more() error {
	b, err := d.open()
	if err != nil {
		return err
	}
	if b.kind == otherBlock || !d.within(d.delta) {
		return nil
	}
	var in delta
	d.readDelta(&in)
	if d.Err != nil {
		return d.Err
	}
	switch string(d.Inner(in.kind)) {
	case "text_delta":
		if b.kind == textBlock {
			d.add(b, stream.Text, in.text)
		}
	case "thinking_delta":
		if b.kind == thinkingBlock {
			d.add(b, stream.Thinking, in.thinking)
		}
	case "input_json_delta":
		if b.kind == toolBlock {
			b.argued = b.argued || in.json.End > in.json.Start
			d.add(b, stream.ToolArguments, in.json)
		}
	case "signature_delta":
		b.signature = append(b.signature, d.plain(in.signature)...)
	case "citations_delta":
		if in.citation != nil {
			b.citations = append(b.citations, in.citation)
		}
	}
	return nil
}

func (d *ChunkDecoder) readDelta(in *delta) {
	for d.Next('}') {
		switch string(d.Key()) {
		case "type":
			in.kind = d.OptionalText()
		case "text":
			in.text = d.OptionalText()
		case "thinking":
			in.thinking = d.OptionalText()
		case "partial_json":
			in.json = d.OptionalText()
		case "signature":
			in.signature = d.OptionalText()
		case "citation":
			if d.Peek() == '{' {
				in.citation = d.scanner.citation()
				continue
			}
			d.Skip()
		default:
			d.Skip()
		}
	}
}

func (d *ChunkDecoder) stop() error {
	b, err := d.open()
	if err != nil {
		return err
	}
	d.close(b)
	return nil
}

// noArguments are those of a call that has none.
var noArguments = []byte("{}")

// close ends a block.
func (d *ChunkDecoder) close(b *openBlock) {
	b.ended = true
	if b.kind == otherBlock {
		return
	}
	if b.kind == toolBlock && !b.argued {
		d.events = append(d.events, stream.Event{Kind: stream.ToolArguments, Index: b.part, Delta: noArguments})
	}
	d.events = append(d.events, stream.Event{
		Kind: stream.PartStop, Index: b.part, Signature: string(b.signature), Citations: b.citations,
	})
}

package converse

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// piece is what a delta brings: a text of a kind, or something to keep until
// the block ends.
type piece struct {
	index                     int64
	text, thinking, arguments jsonscan.Token
	signature, redacted       jsonscan.Token
	citation                  *llmv1.Citation
	// kinds counts the members: more than one, or one twice, is not the format,
	// and what is read of it is not all that a client could read.
	kinds int
}

// delta reads a delta. The index may stand behind it.
func (d *ChunkDecoder) delta() {
	p := piece{index: -1}
	for d.Open('{'); d.Next('}'); {
		switch key := string(d.Key()); {
		case key == "contentBlockIndex":
			p.index, _ = d.Integer()
		case key == "delta" && d.Peek() == '{':
			for d.Open('{'); d.Next('}'); {
				d.deltaMember(&p)
			}
		default:
			d.Skip()
		}
	}
	d.withheld = d.withheld || p.kinds > 1
	if b := d.of(p.index); b != nil {
		d.apply(b, &p)
	}
}

func (d *ChunkDecoder) deltaMember(p *piece) {
	inner := 0
	defer func() { p.kinds += max(inner, 1) }()
	switch key := string(d.Key()); {
	case key == "text":
		p.text = d.OptionalText()
	case key == "citation":
		p.citation = readCitation(&d.Scanner)
	case key == "toolUse" && d.Peek() == '{':
		for d.Open('{'); d.Next('}'); {
			if string(d.Key()) == "input" {
				inner++
				p.arguments = d.OptionalText()
				continue
			}
			d.Skip()
		}
	case key == "reasoningContent" && d.Peek() == '{':
		for d.Open('{'); d.Next('}'); {
			switch string(d.Key()) {
			case "text":
				inner++
				p.thinking = d.OptionalText()
			case "signature":
				inner++
				p.signature = d.OptionalText()
			case "redactedContent":
				inner++
				p.redacted = d.OptionalText()
			default:
				d.Skip()
			}
		}
	default:
		d.withheld = true // such as a picture
		d.Skip()
	}
}

func (d *ChunkDecoder) apply(b *block, p *piece) {
	if p.text.End > p.text.Start {
		d.begin(b, stream.Text)
		d.emit(stream.Event{Kind: stream.Text, Index: b.index, Delta: d.plain(p.text)})
	}
	if p.citation != nil && len(b.citations) < maxCitations {
		d.begin(b, stream.Text)
		b.citations = append(b.citations, p.citation)
	}
	if p.thinking.End > p.thinking.Start {
		d.think(b)
		d.emit(stream.Event{Kind: stream.Thinking, Index: b.index, Delta: d.plain(p.thinking)})
	}
	if p.signature.End > p.signature.Start {
		d.think(b)
		b.signature = d.grow(b.signature, d.plain(p.signature))
	}
	if p.redacted.End > p.redacted.Start {
		d.begin(b, stream.Thinking)
		b.redacted, b.pieces = d.grow(b.redacted, d.plain(p.redacted)), d.grow(b.pieces, d.message)
		b.mixed, d.kept = b.mixed || d.withheld, true
	}
	if p.arguments.End > p.arguments.Start {
		if !b.open { // a call that never began has no name
			d.Fail(jsonscan.ErrSyntax)
			return
		}
		d.emit(stream.Event{Kind: stream.ToolArguments, Index: b.index, Delta: d.plain(p.arguments)})
	}
}

// think opens a block of thinking.
func (d *ChunkDecoder) think(b *block) {
	if b.open && b.kind == stream.Thinking {
		return
	}
	d.begin(b, stream.Thinking)
	thought := &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{}}}
	d.emit(stream.Event{Kind: stream.PartStart, Index: b.index, Part: thought})
}

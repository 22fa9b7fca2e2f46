package cache

import (
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// page is an answer as far as it has come; one that is too large to be had whole
// is on several. Messages on it never change, and its texts only grow: who has
// read a text up to somewhere may keep that.
type page struct {
	size       int
	candidates []*collected // by their index
	notices    []stream.Event
	next       *page // once this one is full
	lost       bool  // what follows it is gone, or will be
}

// collected is one candidate.
type collected struct {
	parts  []*collectedPart // by their index; nil where none has come
	finish llmv1.FinishReason
	stop   string
}

// collectedPart is one part: as it was announced, and what has come since.
type collectedPart struct {
	part      *llmv1.Part // nil if it was not announced, as a text need not be
	kind      stream.Kind // of its text
	text      []byte
	stops     int // how often it has ended; it may go on
	signature string
	citations []*llmv1.Citation
}

// Bounds of an answer: those of the dialects, and no more than a hostile
// provider may make us allocate by naming a large index.
const (
	maxCandidates = 128
	maxParts      = 1024
)

// sizeOf is about what an event takes on a page.
func sizeOf(e *stream.Event) int {
	size := len(e.Delta) + len(e.Signature)
	if e.Part != nil {
		size += proto.Size(e.Part)
	}
	if e.Guardrail != nil {
		size += proto.Size(e.Guardrail)
	}
	for _, citation := range e.Citations {
		size += proto.Size(citation)
	}
	return size
}

func (p *page) candidate(index int32) *collected {
	for int(index) >= len(p.candidates) {
		p.candidates = append(p.candidates, &collected{})
	}
	return p.candidates[index]
}

// part finds or makes the part that an event is about.
func (p *page) part(e *stream.Event) *collectedPart {
	one := p.candidate(e.Candidate)
	for int(e.Index) >= len(one.parts) {
		one.parts = append(one.parts, nil)
	}
	if one.parts[e.Index] == nil {
		one.parts[e.Index] = &collectedPart{}
	}
	return one.parts[e.Index]
}

func (p *collectedPart) add(e *stream.Event) {
	switch e.Kind {
	case stream.PartStart:
		p.part = proto.Clone(e.Part).(*llmv1.Part)
	case stream.PartStop:
		p.stops++
		p.citations = append(p.citations, e.Citations...)
		if e.Signature != "" {
			p.signature = e.Signature
		}
	default:
		if p.kind == 0 {
			p.kind = e.Kind
		}
		p.text = append(p.text, e.Delta...)
	}
}

// begun is the part as it was announced, or would have been; nil if nothing is
// known of it.
func (p *collectedPart) begun() *llmv1.Part {
	switch {
	case p.part.GetContent() != nil:
		return proto.Clone(p.part).(*llmv1.Part)
	case p.kind == stream.Thinking:
		return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{}}}
	case p.kind == stream.ToolArguments:
		return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{}}}
	case p.kind == stream.Text:
		return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{}}}
	default:
		return nil
	}
}

// whole is the part with its text; nil if there is nothing in it.
func (p *collectedPart) whole() *llmv1.Part {
	if p == nil {
		return nil
	}
	out := p.begun()
	switch content := out.GetContent().(type) {
	case *llmv1.Part_Text:
		content.Text.Text += string(p.text)
		content.Text.Citations = append(content.Text.Citations, p.citations...)
		if content.Text.GetText() == "" && len(content.Text.GetCitations()) == 0 {
			return nil
		}
	case *llmv1.Part_Thinking:
		content.Thinking.Text += string(p.text)
		if p.signature != "" {
			content.Thinking.Signature = p.signature
		}
	case *llmv1.Part_ToolCall:
		content.ToolCall.Arguments += string(p.text)
		if p.signature != "" {
			content.ToolCall.Signature = p.signature
		}
	}
	return out
}

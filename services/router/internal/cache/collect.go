package cache

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Collector makes a whole answer of a stream, within bounds. It belongs to one
// goroutine.
type Collector struct {
	most       int
	size       int
	spoilt     bool
	id, model  string
	usage      *llmv1.Usage
	candidates []*collected // by their index
	pace       pace
}

// collected is one candidate.
type collected struct {
	parts  []*collectedPart // by their index; nil where none has come
	finish llmv1.FinishReason
	stop   string
}

// collectedPart is one part: its message without the text, which is gathered apart.
type collectedPart struct {
	part *llmv1.Part
	text []byte
}

// Bounds of an answer: those of the dialects, and no more than a hostile
// provider may make us allocate by naming a large index.
const (
	maxCandidates = 128
	maxParts      = 1024
)

// NewCollector collects an answer of at most so many bytes, and how it was
// paced if that is wanted.
func NewCollector(most int, paced bool) *Collector {
	return &Collector{most: most, pace: pace{off: !paced}}
}

// Add takes note of a chunk. It keeps nothing of it.
func (c *Collector) Add(chunk *stream.Chunk, now time.Time) {
	for i := range chunk.Events {
		if c.spoilt {
			return
		}
		c.event(&chunk.Events[i], now)
	}
}

func (c *Collector) event(e *stream.Event, now time.Time) {
	switch e.Kind {
	case stream.Start:
		c.id, c.model = e.ID, e.Model
	case stream.Usage:
		c.usage = proto.Clone(e.Tokens).(*llmv1.Usage)
	case stream.Error:
		c.spoil()
	case stream.PartStart, stream.Text, stream.Thinking, stream.ToolArguments, stream.PartStop:
		if p := c.part(e); p != nil {
			p.add(e)
			c.pace.add(len(e.Delta), now)
		}
	case stream.Finish:
		if one := c.candidate(e.Candidate); one != nil {
			one.finish, one.stop = e.Reason, e.Stop
		}
	}
}

// spoil gives up: what was collected is freed.
func (c *Collector) spoil() { *c = Collector{spoilt: true} }

func (c *Collector) candidate(index int32) *collected {
	if index < 0 || index >= maxCandidates {
		c.spoil()
		return nil
	}
	for int(index) >= len(c.candidates) {
		c.candidates = append(c.candidates, &collected{})
	}
	return c.candidates[index]
}

// part finds or makes the part that an event is about, and counts its bytes;
// nil if that is too much.
func (c *Collector) part(e *stream.Event) *collectedPart {
	c.size += len(e.Delta) + len(e.Signature) + proto.Size(e.Part)
	for _, citation := range e.Citations {
		c.size += proto.Size(citation)
	}
	one := c.candidate(e.Candidate)
	if one == nil || c.size > c.most || e.Index < 0 || e.Index >= maxParts {
		c.spoil()
		return nil
	}
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
		p.stop(e)
	default:
		p.begin(e.Kind)
		p.text = append(p.text, e.Delta...)
	}
}

// begin makes a part that was not announced, as a text need not be.
func (p *collectedPart) begin(k stream.Kind) {
	if p.part.GetContent() != nil {
		return
	}
	p.part = &llmv1.Part{}
	switch k {
	case stream.Thinking:
		p.part.Content = &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{}}
	case stream.ToolArguments:
		p.part.Content = &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{}}
	default:
		p.part.Content = &llmv1.Part_Text{Text: &llmv1.Text{}}
	}
}

func (p *collectedPart) stop(e *stream.Event) {
	switch content := p.part.GetContent().(type) {
	case *llmv1.Part_Text:
		content.Text.Citations = append(content.Text.Citations, e.Citations...)
	case *llmv1.Part_Thinking:
		if e.Signature != "" {
			content.Thinking.Signature = e.Signature
		}
	case *llmv1.Part_ToolCall:
		if e.Signature != "" {
			content.ToolCall.Signature = e.Signature
		}
	}
}

// Completion is the whole answer; nil if it is not whole, or was too large.
func (c *Collector) Completion() *llmv1.Completion {
	if c.spoilt || len(c.candidates) == 0 {
		return nil
	}
	out := &llmv1.Completion{Id: c.id, Model: c.model, Usage: c.usage}
	for i, one := range c.candidates {
		if one.finish == llmv1.FinishReason_FINISH_REASON_UNSPECIFIED {
			return nil
		}
		m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
		for _, p := range one.parts {
			if whole := p.whole(); whole != nil {
				m.Parts = append(m.Parts, whole)
			}
		}
		out.Candidates = append(out.Candidates, &llmv1.Candidate{
			Index: int32(i), Message: m, FinishReason: one.finish, StopSequence: one.stop,
		})
	}
	return out
}

// whole is the part with its text; nil if there is nothing in it.
func (p *collectedPart) whole() *llmv1.Part {
	if p == nil {
		return nil
	}
	switch content := p.part.GetContent().(type) {
	case *llmv1.Part_Text:
		content.Text.Text += string(p.text)
		if content.Text.GetText() == "" && len(content.Text.GetCitations()) == 0 {
			return nil
		}
	case *llmv1.Part_Thinking:
		content.Thinking.Text += string(p.text)
	case *llmv1.Part_ToolCall:
		content.ToolCall.Arguments += string(p.text)
	case nil:
		return nil
	}
	return p.part
}

// Beats are how it was paced.
func (c *Collector) Beats() []Beat { return slices.Clone(c.pace.beats) }

// pace takes note of pauses, ever more coarsely the longer the answer is.
type pace struct {
	off   bool
	last  time.Time
	each  int // bytes that a beat has at least
	beats []Beat
}

const maxBeats = 256

func (p *pace) add(bytes int, now time.Time) {
	if p.off || bytes == 0 {
		return
	}
	pause := time.Duration(0)
	if !p.last.IsZero() {
		pause = max(0, now.Sub(p.last))
	}
	p.last = now
	if n := len(p.beats); n > 0 && p.beats[n-1].Bytes < p.each {
		p.beats[n-1].After += pause
		p.beats[n-1].Bytes += bytes
		return
	}
	p.beats = append(p.beats, Beat{After: pause, Bytes: bytes})
	if len(p.beats) < maxBeats {
		return
	}
	for i := range maxBeats / 2 {
		a, b := p.beats[2*i], p.beats[2*i+1]
		p.beats[i] = Beat{After: a.After + b.After, Bytes: a.Bytes + b.Bytes}
		p.each = max(p.each, p.beats[i].Bytes)
	}
	p.beats = p.beats[:maxBeats/2]
}

package cache

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Collector makes a whole answer of a stream, within bounds. It belongs to one
// goroutine; a Flight lets others read from it.
type Collector struct {
	most      int
	id, model string
	usage     *llmv1.Usage
	page      *page // what is written on now; nil once it is spoilt
	full      *page // the one before; nil if the answer is on one page
	followed  bool  // somebody reads along: then what is too large goes on, on another page
	pace      pace
}

// NewCollector collects an answer of at most so many bytes, and how it was
// paced if that is wanted.
func NewCollector(most int, paced bool) *Collector {
	return &Collector{most: most, page: &page{}, pace: pace{off: !paced}}
}

// Add takes note of a chunk. It keeps nothing of it.
func (c *Collector) Add(chunk *stream.Chunk, now time.Time) {
	for i := range chunk.Events {
		if c.page == nil {
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
	case stream.Notice:
		if c.fits(e) {
			c.page.notices = append(c.page.notices, stream.Event{
				Kind: e.Kind, Candidate: e.Candidate, Index: e.Index, Guardrail: proto.Clone(e.Guardrail).(*llmv1.GuardrailNotice),
			})
		}
	case stream.PartStart, stream.Text, stream.Thinking, stream.ToolArguments, stream.PartStop:
		if c.fits(e) {
			c.page.part(e).add(e)
			c.pace.add(len(e.Delta), now)
		}
	case stream.Finish:
		if c.fits(e) {
			one := c.page.candidate(e.Candidate)
			one.finish, one.stop = e.Reason, e.Stop
		}
	}
}

// fits makes room for an event, and says whether there is any. What is too large
// is spoilt; if it is followed it goes on, on another page.
func (c *Collector) fits(e *stream.Event) bool {
	if e.Candidate < 0 || e.Candidate >= maxCandidates || e.Index < 0 || e.Index >= maxParts {
		c.spoil()
		return false
	}
	size := sizeOf(e)
	switch {
	case c.page.size+size <= c.most:
	case c.followed:
		c.turn()
	default:
		c.spoil()
		return false
	}
	c.page.size += size
	return true
}

// turn begins another page. Whoever has not read the one before the full one
// by now is too far behind.
func (c *Collector) turn() {
	if c.full != nil {
		c.full.lost = true
	}
	next := &page{}
	c.page.next = next
	c.full, c.page = c.page, next
}

// spoil gives up: what was collected is freed, and lost to those who follow.
func (c *Collector) spoil() {
	c.page.lost = true
	*c = Collector{followed: c.followed}
}

// whole says whether all that came is there.
func (c *Collector) whole() bool { return c.page != nil && c.full == nil }

// Completion is the whole answer; nil if it is not whole, or was too large.
func (c *Collector) Completion() *llmv1.Completion {
	if !c.whole() || len(c.page.candidates) == 0 {
		return nil
	}
	out := &llmv1.Completion{Id: c.id, Model: c.model, Usage: c.usage}
	for i, one := range c.page.candidates {
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

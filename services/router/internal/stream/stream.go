// Package stream holds the form in which an answer travels through the router
// while it is being written: provider adapters produce it, guardrails change
// it, client dialects write it out.
package stream

import (
	"bytes"
	"slices"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Kind says what an event is. The kinds are those of llm.v1.StreamEvent.
type Kind uint8

// The kinds of events, in the order in which a legal stream shows them.
const (
	// Start begins the answer: ID and Model are set.
	Start Kind = iota + 1
	// PartStart begins a part: Part is set. A text part needs none; it begins with its first delta.
	PartStart
	// Text is more text.
	Text
	// Thinking is more thinking.
	Thinking
	// ToolArguments is a piece of a tool call's JSON arguments.
	ToolArguments
	// PartStop ends a part: Signature or Citations may be set.
	PartStop
	// Usage reports the tokens so far; the last one counts.
	Usage
	// Finish ends a candidate: Reason is set.
	Finish
	// Notice says that a guardrail changed something.
	Notice
	// Error ends the stream: Failure is set.
	Error
)

// Event is one step of an answer. It is a plain struct, not a message, so that
// a chunk can be read, checked and written without an allocation.
type Event struct {
	Kind      Kind
	Candidate int32
	Index     int32 // of the part in the candidate

	// Delta is the piece of Text, Thinking or ToolArguments. It is valid until
	// the reader's next Next.
	Delta []byte

	ID, Model string                 // Start
	Part      *llmv1.Part            // PartStart
	Signature string                 // PartStop of thinking or of a tool call
	Seal      string                 // PartStop of text: a signature that only its own dialect has
	Citations []*llmv1.Citation      // PartStop of text
	Tokens    *llmv1.Usage           // Usage
	Reason    llmv1.FinishReason     // Finish
	Stop      string                 // Finish: the stop text that ended it, if known
	Guardrail *llmv1.GuardrailNotice // Notice
	Failure   *llmv1.StreamError     // Error
}

// IsContent says whether the event carries something that the model wrote. The
// first such event is the first token.
func (e *Event) IsContent() bool {
	switch e.Kind {
	case Text, Thinking, ToolArguments:
		return len(e.Delta) > 0
	case PartStart:
		return e.Part.GetToolCall() != nil
	default:
		return false
	}
}

// Chunk is what one read of a provider's stream gave: usually one event,
// sometimes several, sometimes none that we know.
type Chunk struct {
	// Events are the canonical events, in order.
	Events []Event
	// Native is the provider's own frame (for SSE: the data, without "data: "),
	// kept so that a client of the same dialect gets it byte for byte, unknown
	// fields included. It is valid until the reader's next Next.
	Native []byte
	// Dialect is the wire format of Native; empty if there is none.
	Dialect string
	// Revised is true once an event was changed, so that Native no longer
	// says the same and only its unknown fields may be used.
	Revised bool
}

// Reset empties the chunk and keeps its memory.
func (c *Chunk) Reset() {
	clear(c.Events)
	*c = Chunk{Events: c.Events[:0], Native: c.Native[:0]}
}

// IsContent says whether one of the chunk's events is content.
func (c *Chunk) IsContent() bool {
	for i := range c.Events {
		if c.Events[i].IsContent() {
			return true
		}
	}
	return false
}

// Opens says whether a client is told of the answer with this chunk, if it was
// not before: it has content, or ends a candidate.
func (c *Chunk) Opens() bool {
	for i := range c.Events {
		if e := &c.Events[i]; e.Kind == Finish || e.IsContent() {
			return true
		}
	}
	return false
}

// Clone copies the chunk, so that it outlives the reader's next Next.
func (c *Chunk) Clone() *Chunk {
	out := *c
	out.Native = bytes.Clone(c.Native)
	out.Events = slices.Clone(c.Events)
	for i := range out.Events {
		out.Events[i].Delta = bytes.Clone(out.Events[i].Delta)
	}
	return &out
}

// Reader reads an answer. It is used by one goroutine.
type Reader interface {
	// Next returns the next chunk, valid until the next call. It returns io.EOF
	// after a legal end: the provider's terminal event, or the end of the stream
	// after every candidate's finish. A stream that ends earlier is an error
	// with reason STREAM_INTERRUPTED.
	Next() (*Chunk, error)
	// Close frees the connection; it may be called at any time, more than once.
	Close() error
}

// Writer is where an answer goes: the client's side of a dialect.
type Writer interface {
	// WriteChunk sends one chunk on and flushes it. The chunk is not kept.
	WriteChunk(*Chunk) error
}

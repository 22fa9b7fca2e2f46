package tokens

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"github.com/tiktoken-go/tokenizer"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// What counts tokens, as usage records and reports name it.
const (
	// O200K and CL100K are OpenAI's tokenizers.
	O200K  = "o200k_base"
	CL100K = "cl100k_base"
	// ByteClasses is the estimate by byte classes, for families whose tokenizer is
	// not public.
	ByteClasses = "byte-classes"
)

// Tokenizer names what counts the tokens of a model.
func Tokenizer(model string) string { return familyOf(model).tokenizer }

// A vocabulary takes a tenth of a second to read and some tens of megabytes to
// keep, so it is read when it is first asked for.
var (
	o200k  = sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.O200kBase) })
	cl100k = sync.OnceValues(func() (tokenizer.Codec, error) { return tokenizer.Get(tokenizer.Cl100kBase) })
)

// codec returns a tokenizer; nil if it is not one that we have.
func codec(name string) tokenizer.Codec {
	get := o200k
	switch name {
	case O200K:
	case CL100K:
		get = cl100k
	default:
		return nil
	}
	c, err := get()
	if err != nil { // the vocabularies are compiled in: this cannot happen, and an estimate is at hand
		return nil
	}
	return c
}

// Bounds of the work on one count.
const (
	// windowBytes is the most that is given to the tokenizer at once: on a text
	// without word boundaries its work grows with the square.
	windowBytes = 2 << 10
	// Brief and Thorough are how many bytes of a request or answer are counted
	// exactly; of a longer one evenly spaced windows are, and the rest is estimated
	// by what they came to. At some 4 MB/s, Brief takes up to 4 ms and is for
	// settlement, Thorough up to 30 ms and for those who ask for a count.
	Brief    = 16 << 10
	Thorough = 128 << 10
)

// exact counts texts with a tokenizer, as far as its bytes last.
type exact struct {
	codec  tokenizer.Codec
	left   int   // bytes that may still be counted
	tokens int64 // counted
	milli  int64 // the estimate of what was counted
	rest   int64 // the estimate of what was not
}

func newExact(name string, bytes int) *exact {
	c := codec(name)
	if c == nil {
		return nil
	}
	return &exact{codec: c, left: bytes}
}

// add counts a text whose estimate is known.
func (e *exact) add(text string, milli int64, weights *table) {
	if len(text) <= e.left {
		e.left -= len(text)
		e.milli += milli
		for len(text) > 0 {
			n := window(text)
			e.count(text[:n])
			text = text[n:]
		}
		return
	}
	counted := e.sample(text, weights)
	e.milli += counted
	e.rest += milli - counted
}

// sample counts windows at even distances, and returns their estimate.
func (e *exact) sample(text string, weights *table) (milli int64) {
	windows := e.left / windowBytes
	e.left = 0
	for i := range windows {
		at := boundary(text, i*(len(text)/windows))
		piece := text[at:]
		piece = piece[:window(piece)]
		e.count(piece)
		milli += weights.weigh([]byte(piece))
	}
	return milli
}

func (e *exact) count(text string) {
	n, err := e.codec.Count(text)
	if err != nil { // the library's expression has no time limit that could pass
		n = len(text) / 4
	}
	e.tokens += int64(n)
}

// total is the count of all that was added, with the rest estimated by it.
func (e *exact) total() int64 {
	if e.milli == 0 {
		return e.tokens + (e.rest+999)/1000
	}
	return e.tokens + e.rest*e.tokens/e.milli
}

// window is how much of a text is counted at once: up to a place between words.
func window(text string) int {
	if len(text) <= windowBytes {
		return len(text)
	}
	for i := windowBytes; i > windowBytes*3/4; i-- {
		if c := text[i]; (c == ' ' || c == '\n') && text[i-1] != ' ' && text[i-1] != '\n' {
			return i
		}
	}
	return boundary(text, windowBytes)
}

// boundary moves a place back to the beginning of a character, if one is near:
// broken UTF-8 is cut anywhere.
func boundary(text string, i int) int {
	for back := range min(utf8.UTFMax, i) {
		if utf8.RuneStart(text[i-back]) {
			return i - back
		}
	}
	return i
}

// Counted is a count with what made it.
type Counted struct {
	Tokens int64
	// Tokenizer names what counted; it ends in ", sampled" if the texts were too
	// long to count all of them.
	Tokenizer string
}

// Count counts what a model reads when it is asked c with a context, by the
// tokenizer of that name, up to so many bytes exactly. Framing and media are
// estimated in any case: no such count is exact.
func Count(tokenizer, model string, bytes int, c *llmv1.Conversation, context string) Counted {
	n := newPrecise(tokenizer, model, bytes)
	n.addConversation(c)
	n.AddString(context)
	return n.counted(tokenizer)
}

// CountMessages counts what a model wrote, likewise.
func CountMessages(tokenizer, model string, bytes int, messages []*llmv1.Message) Counted {
	n := newPrecise(tokenizer, model, bytes)
	for _, m := range messages {
		n.addParts(m.GetParts())
	}
	return n.counted(tokenizer)
}

// CountTexts counts texts, likewise.
func CountTexts(tokenizer, model string, bytes int, texts ...string) Counted {
	n := newPrecise(tokenizer, model, bytes)
	for _, text := range texts {
		n.AddString(text)
	}
	return n.counted(tokenizer)
}

func newPrecise(tokenizer, model string, bytes int) *Counter {
	n := NewCounter(model)
	n.exact = newExact(tokenizer, bytes)
	return &n
}

func (c *Counter) counted(name string) Counted {
	e := c.exact
	if e == nil {
		return Counted{c.Tokens(), ByteClasses}
	}
	framing := (c.milli - e.milli - e.rest + 999) / 1000
	if e.rest > 0 {
		name = fmt.Sprintf("%s, sampled", name)
	}
	return Counted{framing + e.total(), name}
}

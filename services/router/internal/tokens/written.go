package tokens

import "sync"

// keptBytes is how much of an answer is kept for its tokenizer.
const keptBytes = 8 << 10

// keeps are buffers of keptBytes.
var keeps = sync.Pool{New: func() any { return new([keptBytes]byte) }}

// Written counts an answer that comes in pieces: the estimate is there at any
// time, and the beginning of the answer is kept so that, should the provider
// report no usage, the model's tokenizer can count it. Its zero value counts
// nothing.
type Written struct {
	Counter
	tokenizer string
	kept      *[keptBytes]byte
	n         int
}

// NewWritten returns a counter for a model, whose tokenizer is named.
func NewWritten(tokenizer, model string) Written {
	return Written{Counter: NewCounter(model), tokenizer: tokenizer}
}

// Add counts a piece.
func (w *Written) Add(piece []byte) {
	w.Counter.Add(piece)
	if w.n < keptBytes && w.keeps() {
		w.n += copy(w.kept[w.n:], piece)
	}
}

// AddString counts a piece.
func (w *Written) AddString(piece string) {
	w.Counter.AddString(piece)
	if w.n < keptBytes && w.keeps() {
		w.n += copy(w.kept[w.n:], piece)
	}
}

// keeps makes room for the beginning, if there is a tokenizer to count it.
func (w *Written) keeps() bool {
	if w.tokenizer == ByteClasses || w.tokenizer == "" {
		return false
	}
	if w.kept == nil {
		w.kept = keeps.Get().(*[keptBytes]byte)
	}
	return true
}

// Count counts what was written so far.
func (w *Written) Count() Counted {
	if w.kept == nil || codec(w.tokenizer) == nil {
		return Counted{w.Tokens(), ByteClasses}
	}
	n := newPrecise(w.tokenizer, "", keptBytes)
	n.table = w.table
	n.AddString(string(w.kept[:w.n]))
	if rest := w.milli - n.milli; rest > 0 {
		n.exact.rest += rest
		n.milli += rest
	}
	return n.counted(w.tokenizer)
}

// Release gives back what was kept. Nothing may be counted afterwards.
func (w *Written) Release() {
	if w.kept != nil {
		keeps.Put(w.kept)
		w.kept, w.n, w.tokenizer = nil, 0, ""
	}
}

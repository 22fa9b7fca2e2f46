package normalize

import "slices"

// View is a folded text with the way back to the original. The zero value is
// an empty view. Start and End are nil when the view is the original itself.
type View struct {
	// Text is the folded text.
	Text []byte
	// Start and End hold, for each byte of Text, the half-open span of original
	// bytes that it stands for.
	Start, End []int32
	// Bare marks bytes that lie outside a JSON string; nil for plain text.
	Bare []bool
	// skipped counts the bytes of invisible runes since the last visible one.
	skipped int
}

// Span maps the half-open range [a, b) of Text to original byte offsets. An
// empty range maps to an empty span.
func (v *View) Span(a, b int) (start, end int) {
	if v.Start == nil {
		return a, b
	}
	if a >= b {
		at := v.offset(a)
		return at, at
	}
	return int(v.Start[a]), int(v.End[b-1])
}

func (v *View) offset(i int) int {
	switch {
	case len(v.Start) == 0:
		return 0
	case i < len(v.Start):
		return int(v.Start[i])
	default:
		return int(v.End[len(v.End)-1])
	}
}

// Reset empties the view and keeps its memory, unless it has grown past what
// is worth keeping.
func (v *View) Reset() {
	const keep = 1 << 20
	if cap(v.Text) > keep {
		*v = View{}
		return
	}
	v.Text, v.Start, v.End, v.Bare = v.Text[:0], v.Start[:0], v.End[:0], v.Bare[:0]
	v.skipped = 0
}

// Drop removes the first n folded bytes, moving the rest down in place.
func (v *View) Drop(n int) {
	v.Text = append(v.Text[:0], v.Text[n:]...)
	v.Start = append(v.Start[:0], v.Start[n:]...)
	v.End = append(v.End[:0], v.End[n:]...)
	if len(v.Bare) > 0 {
		v.Bare = append(v.Bare[:0], v.Bare[n:]...)
	}
}

// Shift moves all original offsets down by n: the original lost its first n
// bytes. Offsets that fall before the new beginning become 0.
func (v *View) Shift(n int) {
	for i := range v.Start {
		v.Start[i] = max(0, v.Start[i]-int32(n))
		v.End[i] = max(0, v.End[i]-int32(n))
	}
}

func (v *View) add(text string, start, end int) {
	for i := 0; i < len(text); i++ {
		v.addByte(text[i], start, end)
	}
}

func (v *View) addByte(b byte, start, end int) {
	v.Text = append(v.Text, b)
	v.Start = append(v.Start, int32(start))
	v.End = append(v.End, int32(end))
	v.skipped = 0
}

// addRun adds ASCII text as it stands.
func (v *View) addRun(src []byte, base int) {
	n := len(v.Start)
	v.Text = append(v.Text, src...)
	v.Start = slices.Grow(v.Start, len(src))[:n+len(src)]
	v.End = slices.Grow(v.End, len(src))[:n+len(src)]
	starts, ends := v.Start[n:], v.End[n:]
	for i := range starts {
		starts[i] = int32(base + i)
		ends[i] = int32(base + i + 1)
	}
	v.skipped = 0
}

// maxSkipped bounds the run of invisible characters that is looked through; a
// longer one is a break. It keeps what a stream must hold back bounded.
const maxSkipped = 4 << 10

func (v *View) skip(start, end int) {
	if v.skipped += end - start; v.skipped > maxSkipped {
		v.addByte('\n', start, end)
	}
}

package jsonscan

import "slices"

// Edit replaces a span of the scanned data by Before and After, which are
// written as they are, with Text between them, which is escaped.
type Edit struct {
	Span
	Before, Text, After string
	// Order decides among edits at the same place.
	Order int
}

// Splice makes all edits in one pass. It sorts them; they must not
// overlap, and those at one place stay in their order.
func Splice(raw []byte, edits []Edit) []byte {
	if len(edits) > 1 {
		slices.SortStableFunc(edits, func(a, b Edit) int {
			if a.Start != b.Start {
				return a.Start - b.Start
			}
			return a.Order - b.Order
		})
	}
	size := len(raw)
	for _, e := range edits {
		size += len(e.Before) + len(e.Text) + len(e.Text)/8 + len(e.After)
	}
	out := make([]byte, 0, size)
	at := 0
	for _, e := range edits {
		out = append(out, raw[at:e.Start]...)
		out = append(out, e.Before...)
		out = AppendEscaped(out, e.Text)
		out = append(out, e.After...)
		at = e.End
	}
	return append(out, raw[at:]...)
}

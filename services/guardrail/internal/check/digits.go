package check

// group is one run of digits inside a segment.
type group struct {
	start, end int
}

func (g group) len() int { return g.end - g.start }

// groupsFrom lists the runs of digits that follow each other from i on, each
// parted from the next by one separator of seps, possibly between spaces. It
// stops after limit digits.
func groupsFrom(buf []group, t []byte, i int, seps string, limit int) []group {
	digits := 0
	for i < len(t) && isDigit(t[i]) {
		g := group{start: i}
		for i < len(t) && isDigit(t[i]) {
			i++
		}
		g.end = i
		digits += g.len()
		if digits > limit {
			break
		}
		buf = append(buf, g)
		i = afterSeparator(t, i, seps)
	}
	return buf
}

func afterSeparator(t []byte, i int, seps string) int {
	space := at(t, i) == ' '
	if space {
		i++
	}
	for k := range len(seps) {
		if at(t, i) == seps[k] && seps[k] != ' ' {
			i++
			if space && at(t, i) == ' ' {
				i++
			}
			return i
		}
	}
	return i
}

// startsNumber reports whether a run of digits may begin at i: nothing that
// belongs to the same number or word stands before it.
func startsNumber(t []byte, left []byte, i int) bool {
	prev := at(t, i-1)
	if i == 0 {
		prev = at(left, len(left)-1)
		if prev >= 0x80 {
			return true
		}
	}
	if wordByte(prev) {
		return false
	}
	if prev == '$' || prev == '#' {
		return false // an amount, an ordinal
	}
	// A fraction: 0.4111…
	return !(prev == '.' && isDigit(at(t, i-2)))
}

func endsNumber(t []byte, i int) bool {
	next := at(t, i)
	if wordByte(next) && next < 0x80 {
		return false
	}
	return !(next == '.' && isDigit(at(t, i+1)))
}

func appendDigits(dst []byte, t []byte, groups []group) []byte {
	for _, g := range groups {
		dst = append(dst, t[g.start:g.end]...)
	}
	return dst
}

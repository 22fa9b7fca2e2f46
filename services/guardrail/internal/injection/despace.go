package injection

// Spaced reports whether a text holds a row of single letters set apart, such
// as "i g n o r e" or "i.g.n.o.r.e".
func Spaced(text []byte) bool {
	var history uint16
	for _, b := range text {
		history <<= 1
		if wordByte(b) {
			history |= 1
		}
		if history&0xFFF == 0xAAA || history&0xFFF == 0x555 {
			return true
		}
	}
	return false
}

// Despace closes up rows of single letters: one separator between letters
// goes, a longer one becomes a space. at holds, for each byte of the result,
// its place in the text.
func Despace(text []byte) (out []byte, at []int32) {
	for i := 0; i < len(text); {
		j, n := i, 0
		for single(text, j) {
			n++
			if j += 2; !single(text, j) && single(text, j+1) || !single(text, j) && single(text, j+2) {
				// A wider gap parts words.
				out, at = closeUp(out, at, text, i, j)
				out, at = append(out, ' '), append(at, int32(min(j, len(text)-1)))
				for j < len(text) && !wordByte(text[j]) {
					j++
				}
				i = j
			}
		}
		if n > 0 {
			out, at = closeUp(out, at, text, i, min(j, len(text)))
			out, at = append(out, ' '), append(at, int32(min(j, len(text))-1))
			i = min(j, len(text))
			continue
		}
		out, at = append(out, text[i]), append(at, int32(i))
		i++
	}
	return out, at
}

// closeUp keeps the letters of text[i:j].
func closeUp(out []byte, at []int32, text []byte, i, j int) ([]byte, []int32) {
	for k := i; k < min(j, len(text)); k++ {
		if wordByte(text[k]) {
			out, at = append(out, text[k]), append(at, int32(k))
		}
	}
	return out, at
}

// single reports whether a letter stands alone at i.
func single(text []byte, i int) bool {
	if i >= len(text) || !wordByte(text[i]) {
		return false
	}
	return (i == 0 || !wordByte(text[i-1])) && (i+1 >= len(text) || !wordByte(text[i+1]))
}

package check

import "bytes"

// detectEmail finds addresses local@domain.tld (RFC 5321, without quoted local
// parts and without bare host names).
func detectEmail(s *Segment, out []Match) []Match {
	t := s.Text
	for from := 0; ; {
		i := bytes.IndexByte(t[from:], '@')
		if i < 0 {
			return out
		}
		i += from
		from = i + 1
		start := i
		for start > 0 && localByte(t[start-1]) {
			start--
		}
		for start < i && !isAlnum(t[start]) && t[start] != '_' && t[start] < 0x80 {
			start++
		}
		end := domainEnd(t, i+1)
		if start == i || end < 0 || bytes.Equal(t[start:i], []byte("git")) {
			continue
		}
		out = append(out, Match{Start: start, End: end, Score: 1})
		from = end
	}
}

func localByte(b byte) bool {
	switch b {
	case '.', '_', '%', '+', '-', '\'', '&', '#', '~', '!':
		return true
	}
	return isAlnum(b) || b >= 0x80
}

// domainEnd returns the end of the domain that begins at i, or -1.
func domainEnd(t []byte, i int) int {
	end := i
	for end < len(t) && (isAlnum(t[end]) || t[end] == '-' || t[end] == '.' || t[end] >= 0x80) {
		end++
	}
	for end > i && (t[end-1] == '.' || t[end-1] == '-') {
		end--
	}
	domain := t[i:end]
	dot := bytes.LastIndexByte(domain, '.')
	if dot <= 0 || domain[0] == '-' || domain[0] == '.' || bytes.Contains(domain, []byte("..")) {
		return -1
	}
	tld := domain[dot+1:]
	if len(tld) < 2 || len(tld) > 24 {
		return -1
	}
	if bytes.HasPrefix(tld, []byte("xn--")) {
		return end
	}
	for _, b := range tld {
		if !isLetter(b) && b < 0x80 {
			return -1
		}
	}
	return end
}

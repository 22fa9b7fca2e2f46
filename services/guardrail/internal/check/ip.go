package check

import (
	"bytes"
	"net/netip"
)

var versionWords = words("v", "ver", "version", "release", "build", "firmware", "section", "chapter")

// detectIP finds IPv4 and IPv6 addresses in their usual notations.
func detectIP(s *Segment, out []Match) []Match {
	t := s.Text
	for i := 0; i < len(t); i++ {
		if !ipByte(t[i]) || i > 0 && (wordByte(t[i-1]) || t[i-1] == '.' && t[i] != ':') {
			continue
		}
		j := i
		dots, colons, digits := 0, 0, 0
		for j < len(t) && ipByte(t[j]) {
			switch {
			case t[j] == '.':
				dots++
			case t[j] == ':':
				colons++
			case isDigit(t[j]):
				digits++
			}
			j++
		}
		end := j
		for end > i && (t[end-1] == '.' || t[end-1] == ':' && !bytes.HasSuffix(t[i:end], []byte("::"))) {
			end--
		}
		if !wordByte(at(t, j)) && isAddress(t[i:end], colons, digits) {
			if colons > 0 || !s.versionBefore(i) {
				out = append(out, Match{Start: i, End: end, Score: 1})
			}
		} else if dots >= 3 {
			out = s.plainV4(i, j, out)
		}
		i = j
	}
	return out
}

// plainV4 finds an address with a port, or after a label: 10.0.0.1:8080.
func (s *Segment) plainV4(i, j int, out []Match) []Match {
	for _, part := range [][2]int{cutAt(s.Text, i, j, true), cutAt(s.Text, i, j, false)} {
		a, b := part[0], part[1]
		if b-a < 7 || wordByte(at(s.Text, b)) {
			continue
		}
		if addr, err := netip.ParseAddr(string(s.Text[a:b])); err == nil && addr.Is4() && !s.versionBefore(a) {
			return append(out, Match{Start: a, End: b, Score: 1})
		}
	}
	return out
}

func cutAt(t []byte, i, j int, head bool) [2]int {
	if head {
		if k := bytes.IndexByte(t[i:j], ':'); k >= 0 {
			return [2]int{i, i + k}
		}
		return [2]int{i, j}
	}
	if k := bytes.LastIndexByte(t[i:j], ':'); k >= 0 {
		return [2]int{i + k + 1, j}
	}
	return [2]int{i, j}
}

func ipByte(b byte) bool {
	return isDigit(b) || b == '.' || b == ':' || b|0x20 >= 'a' && b|0x20 <= 'f'
}

func isAddress(t []byte, colons, digits int) bool {
	if len(t) < 3 || len(t) > 45 || digits == 0 {
		return false
	}
	// a::1 may as well be a name in C++.
	if colons > 0 && len(t) < 6 && string(t) != "::1" {
		return false
	}
	_, err := netip.ParseAddr(string(t))
	return err == nil
}

func (s *Segment) versionBefore(i int) bool {
	left := s.Text[:i]
	if i == 0 {
		left = s.Left
	}
	left = bytes.TrimRight(left, " :=(")
	var buf [16]byte
	tail := lower(buf[:0], left[max(0, len(left)-10):])
	for _, w := range versionWords {
		if bytes.HasSuffix(tail, w) && !wordByte(at(tail, len(tail)-len(w)-1)) {
			return true
		}
	}
	return false
}

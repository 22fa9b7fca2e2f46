package check

var ssnWords = words("ssn", "social security", "soc sec", "social sec")

// detectSSN finds US social security numbers by the rules of the SSA: area not
// 000, 666 or 9xx, group not 00, serial not 0000. Without separators it needs
// a word that says so.
func detectSSN(s *Segment, out []Match) []Match {
	t := s.Text
	for i := 0; i+9 <= len(t); i++ {
		if !isDigit(t[i]) || !startsNumber(t, s.Left, i) || at(t, i-1) == '-' {
			continue
		}
		end := ssnEnd(t, i)
		if end < 0 || !endsNumber(t, end) || at(t, end) == '-' && isDigit(at(t, end+1)) {
			continue
		}
		if plain := end-i == 9; (plain || t[i+3] == '.') && !s.leftHas(i, ssnWords) {
			continue
		}
		out = append(out, Match{Start: i, End: end, Score: 1})
		i = end
	}
	return out
}

func ssnEnd(t []byte, i int) int {
	var d [9]byte
	n, j := 0, i
	sep := at(t, i+3)
	separated := sep == '-' || sep == ' ' || sep == '.'
	for ; n < 9; j++ {
		b := at(t, j)
		if separated && (j == i+3 || j == i+6) {
			if b != sep {
				return -1
			}
			continue
		}
		if !isDigit(b) {
			return -1
		}
		d[n] = b
		n++
	}
	area, grp, serial := string(d[:3]), string(d[3:5]), string(d[5:])
	if area == "000" || area == "666" || area[0] == '9' || grp == "00" || serial == "0000" {
		return -1
	}
	return j
}

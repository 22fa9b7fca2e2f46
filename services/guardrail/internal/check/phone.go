package check

import (
	"bytes"

	"github.com/nyaruka/phonenumbers"
)

// phoneWords announce a phone number in whatever form; phoneHints make one
// likely if it is also written like one.
var (
	phoneWords = words("phone", "telephone", "tel", "mobile", "cell", "cellphone", "fax", "whatsapp", "hotline",
		"telefon", "telefonnummer", "handy", "handynummer", "mobil", "mobilnummer", "telefono", "movil", "celular",
		"portable", "cellulare", "telemovel", "phone number", "desk", "landline", "numero de telephone")
	phoneHints = words("call me", "call us", "call him", "call her", "call them", "call at", "call on", "calling", "text me", "text us",
		"sms", "dial", "ring me", "me on", "me at", "us on", "us at", "reach me", "reached at", "contact me", "contact us", "answering at",
		"messages to", "message me", "registered", "anrufen", "erreichbar", "rufen", "appelez", "appeler", "llama", "llamar",
		"chiama", "chiamare", "ligue", "ligar")
)

// detectPhone finds phone numbers: international ones that the numbering plan
// of their country allows, North American ones in their usual punctuation, and
// national ones where the words before say that a phone number follows.
func detectPhone(s *Segment, out []Match) []Match {
	t := s.Text
	for i := 0; i < len(t); {
		b := t[i]
		if !isDigit(b) && b != '+' && b != '(' {
			i++
			continue
		}
		if end := phoneEnd(s, i); end > 0 {
			out = append(out, Match{Start: i, End: end, Score: 1})
			i = end
			continue
		}
		i++
		for isDigit(b) && i < len(t) && isDigit(t[i]) {
			i++
		}
	}
	return out
}

const maxPhoneGroups = 8

func phoneEnd(s *Segment, i int) int {
	t := s.Text
	if t[i] != '+' && !startsNumber(t, s.Left, i) || i > 0 && (t[i-1] == '.' || t[i-1] == ':' && isDigit(at(t, i-2)) || t[i-1] == '-' && t[i] != '+' && isAlnum(at(t, i-2))) {
		return -1
	}
	groups := phoneGroups(t, i)
	c := context{s: s, at: i}
	for n := groups.n - 1; n >= 0; n-- {
		end, digits := groups.end[n], groups.digits[n]
		if digits < 7 || digits > 15 || !phoneStops(t, end) {
			continue
		}
		if looksLikePhone(&c, end, digits, n+1) {
			return extension(t, end)
		}
	}
	return -1
}

// context answers, once for each place, whether words before it speak of a
// phone number.
type context struct {
	s                     *Segment
	at                    int
	askedWord, askedHint  bool
	isAnnounced, isHinted bool
}

func (c *context) announced() bool {
	if !c.askedWord {
		c.askedWord, c.isAnnounced = true, c.s.leftHas(c.at, phoneWords)
	}
	return c.isAnnounced
}

func (c *context) hinted() bool {
	if !c.askedHint {
		c.askedHint, c.isHinted = true, c.s.leftHas(c.at, phoneHints)
	}
	return c.isHinted
}

// grouping says where groups of digits end, and how many digits there are up
// to each end.
type grouping struct {
	n           int
	end, digits [maxPhoneGroups]int
}

// phoneGroups reads the groups of a number that begins at i.
func phoneGroups(t []byte, i int) (g grouping) {
	n, j := 0, i
	if at(t, j) == '+' {
		j++
	}
	for gap := 0; j < len(t) && g.n < maxPhoneGroups && n <= 15; {
		switch b := t[j]; {
		case isDigit(b):
			for j < len(t) && isDigit(t[j]) {
				j++
				n++
			}
			g.end[g.n], g.digits[g.n] = j, n
			g.n++
			gap = 0
			continue
		case b == ' ' || b == '-' || b == '.' || b == '/' || b == '(' || b == ')':
			if gap++; gap > 3 {
				return g
			}
		default:
			return g
		}
		j++
	}
	return g
}

func phoneStops(t []byte, end int) bool {
	switch next := at(t, end); {
	case next|0x20 == 'x', next == 'e':
		return true
	case next == '-':
		return !isAlnum(at(t, end+1)) || isLetter(at(t, end+1))
	case next == ':', next == '%', next == '@', next == '=':
		return false
	default:
		return endsNumber(t, end)
	}
}

func extension(t []byte, end int) int {
	j := end
	if at(t, j)|0x20 == 'x' {
		j++
		k := j
		for k < len(t) && k-j < 6 && isDigit(t[k]) {
			k++
		}
		if k > j && !wordByte(at(t, k)) {
			return k
		}
	}
	return end
}

func looksLikePhone(c *context, end, digits, groups int) bool {
	text := c.s.Text[c.at:end]
	if bytes.HasPrefix(text, []byte("(")) && !bytes.Contains(text, []byte(")")) {
		return false
	}
	if text[0] == '+' {
		return validInternational(text, false) || digits >= 9 && c.announced()
	}
	if bytes.HasPrefix(text, []byte("00")) && digits >= 10 {
		return c.announced() || !pairs(text) && validInternational(text, true)
	}
	if digits <= 11 && northAmerican(text, groups) {
		return true
	}
	if c.announced() {
		return true
	}
	if looksLikeDate(text) {
		return false
	}
	written := groups > 1 && digits <= 12 || text[0] == '0' && digits >= 9
	return written && c.hinted()
}

// pairs reports whether digits stand in pairs only, as in a dump of bytes.
func pairs(text []byte) bool {
	run := 0
	for _, b := range text {
		if !isDigit(b) {
			run = 0
			continue
		}
		if run++; run > 2 {
			return false
		}
	}
	return true
}

func validInternational(text []byte, strict bool) bool {
	number := string(text)
	if number[0] != '+' {
		number = "+" + number[2:]
	}
	// "(0)" is a trunk prefix that callers from abroad leave out.
	n, err := phonenumbers.Parse(string(bytes.ReplaceAll([]byte(number), []byte("(0)"), nil)), "")
	if err != nil || strict {
		return err == nil && phonenumbers.IsValidNumber(n)
	}
	return phonenumbers.IsPossibleNumber(n)
}

// northAmerican accepts [1] NXX NXX XXXX with separators, N being 2 to 9.
func northAmerican(text []byte, groups int) bool {
	var d [16]byte
	n := 0
	for _, b := range text {
		if isDigit(b) && n < len(d) {
			d[n] = b
			n++
		}
	}
	digits := d[:n]
	if n == 11 && digits[0] == '1' {
		digits, groups = digits[1:], groups-1
	}
	if len(digits) != 10 || groups != 3 || digits[0] < '2' || digits[3] < '2' {
		return false
	}
	// The last groups are 3 and 4 long.
	k := len(text) - 5
	return !isDigit(text[k]) && isDigit(text[k-1]) && isDigit(text[k-3]) && !isDigit(text[k-4])
}

// looksLikeDate tells 2024-05-17, 3/11/2024, 2005-2008 and addresses of
// machines from phone numbers.
func looksLikeDate(text []byte) bool {
	var buf [maxPhoneGroups]group
	groups := buf[:0]
	dots := 0
	for i := 0; i < len(text) && len(groups) < maxPhoneGroups; i++ {
		if text[i] == '.' {
			dots++
		}
		if !isDigit(text[i]) {
			continue
		}
		g := group{start: i}
		for i < len(text) && isDigit(text[i]) {
			i++
		}
		g.end = i
		i--
		groups = append(groups, g)
	}
	year := func(g group) bool {
		y := string(text[g.start:g.end])
		return len(y) == 4 && (y[:2] == "19" || y[:2] == "20")
	}
	switch {
	case len(groups) == 2:
		return year(groups[0]) && year(groups[1])
	case len(groups) == 3:
		first, last := year(groups[0]), year(groups[2])
		return groups[1].len() <= 2 && (first && groups[2].len() <= 2 || last && groups[0].len() <= 2)
	case len(groups) == 4 || len(groups) == 5:
		return dots == 3 && groups[3].len() <= 3 && groups[0].len() <= 3
	}
	return false
}

package check

// iinRange is a range of issuer numbers (ISO/IEC 7812) compared by their first
// digits, with the lengths that its numbers may have.
type iinRange struct {
	low, high string
	lengths   []int
}

var iinRanges = []iinRange{
	{"4", "4", []int{13, 16, 19}},                       // Visa
	{"51", "55", []int{16}},                             // Mastercard
	{"2221", "2720", []int{16}},                         // Mastercard
	{"34", "34", []int{15}},                             // American Express
	{"37", "37", []int{15}},                             // American Express
	{"6011", "6011", []int{16, 19}},                     // Discover
	{"644", "659", []int{16, 19}},                       // Discover
	{"3528", "3589", []int{16, 19}},                     // JCB
	{"2131", "2131", []int{15}},                         // JCB, old
	{"1800", "1800", []int{15}},                         // JCB, old
	{"300", "305", []int{14, 16, 19}},                   // Diners
	{"3095", "3095", []int{14, 16}},                     // Diners
	{"36", "36", []int{14, 16, 19}},                     // Diners
	{"38", "39", []int{14, 16, 19}},                     // Diners
	{"62", "62", []int{16, 17, 18, 19}},                 // UnionPay
	{"81", "81", []int{16}},                             // UnionPay, RuPay
	{"2200", "2204", []int{16}},                         // Mir
	{"60", "60", []int{16}},                             // RuPay
	{"508", "508", []int{16}},                           // RuPay
	{"5018", "5018", []int{12, 13, 14, 15, 16, 18, 19}}, // Maestro
	{"5020", "5020", []int{12, 13, 14, 15, 16, 18, 19}}, // Maestro
	{"5038", "5038", []int{12, 13, 14, 15, 16, 18, 19}}, // Maestro
	{"5893", "5893", []int{12, 13, 14, 15, 16, 18, 19}}, // Maestro
	{"6304", "6304", []int{12, 13, 14, 15, 16, 18, 19}}, // Maestro
	{"6759", "6763", []int{12, 13, 14, 15, 16, 18, 19}}, // Maestro
}

// cardWords announce a card number, whoever issued it.
var cardWords = words("card", "card number", "cc", "visa", "mastercard", "amex", "maestro", "kreditkarte", "kartennummer",
	"carte", "tarjeta", "carta", "cartao")

// detectCard finds payment card numbers: an issuer that exists and a length
// that it uses (or a word that says so), a right check digit (Luhn), and digits written in one piece or in
// the groups that cards are printed in.
func detectCard(s *Segment, out []Match) []Match {
	t := s.Text
	var buf [12]group
	var digits [24]byte
	for i := 0; i < len(t); i++ {
		if !isDigit(t[i]) {
			continue
		}
		if !startsNumber(t, s.Left, i) {
			for i+1 < len(t) && isDigit(t[i+1]) {
				i++
			}
			continue
		}
		groups := groupsFrom(buf[:0], t, i, " -.", 19)
		end := -1
		for n := len(groups); n > 0; n-- {
			if !endsNumber(t, groups[n-1].end) || !printedLike(groups[:n]) {
				continue
			}
			if number := appendDigits(digits[:0], t, groups[:n]); luhn(number) && (issued(number) || len(number) >= 12 && s.leftHas(i, cardWords)) {
				end = groups[n-1].end
				break
			}
		}
		if end > 0 {
			out = append(out, Match{Start: i, End: end, Score: 1})
			i = end - 1
			continue
		}
		for i+1 < len(t) && isDigit(t[i+1]) {
			i++
		}
	}
	return out
}

// printedLike accepts one group, groups of four with a shorter last one, and
// the 4-6-5 and 4-6-4 of American Express and Diners.
func printedLike(g []group) bool {
	if len(g) == 1 {
		return true
	}
	if len(g) == 3 && g[0].len() == 4 && g[1].len() == 6 {
		return g[2].len() == 5 || g[2].len() == 4
	}
	for _, x := range g[:len(g)-1] {
		if x.len() != 4 {
			return false
		}
	}
	return g[len(g)-1].len() <= 4
}

func issued(number []byte) bool {
	for _, r := range iinRanges {
		if len(number) < len(r.low) {
			continue
		}
		if head := string(number[:len(r.low)]); head < r.low || head > r.high {
			continue
		}
		for _, n := range r.lengths {
			if len(number) == n {
				return true
			}
		}
	}
	return false
}

// luhn checks the check digit of ISO/IEC 7812-1, annex B.
func luhn(number []byte) bool {
	sum, same := 0, true
	for i := range number {
		d := int(number[len(number)-1-i] - '0')
		same = same && number[i] == number[0]
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0 && !same
}

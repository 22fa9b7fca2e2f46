package check

// ibanLength is the length of an IBAN by country (SWIFT IBAN registry).
var ibanLength = map[string]int{
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27,
	"BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28,
	"EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
	"GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
	"IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
	"LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
	"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
	"RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25,
	"SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

// detectIBAN finds IBANs (ISO 13616): country, its length, mod 97. They may be
// written in one piece or in groups.
func detectIBAN(s *Segment, out []Match) []Match {
	t := s.Text
	for i := 0; i+15 <= len(t); i++ {
		if !isLetter(t[i]) || !isLetter(t[i+1]) || !isDigit(t[i+2]) || !isDigit(t[i+3]) {
			continue
		}
		if prev := at(t, i-1); isAlnum(prev) || i == 0 && isAlnum(at(s.Left, len(s.Left)-1)) {
			continue
		}
		if end := ibanEnd(t, i); end > 0 {
			out = append(out, Match{Start: i, End: end, Score: 1})
			i = end - 1
		}
	}
	return out
}

func ibanEnd(t []byte, i int) int {
	country := [2]byte{t[i] &^ 0x20, t[i+1] &^ 0x20}
	want := ibanLength[string(country[:])]
	if want == 0 {
		return -1
	}
	var compact [34]byte
	n, j := 0, i
	for ; j < len(t) && n < want; j++ {
		switch b := t[j]; {
		case isAlnum(b):
			if isLetter(b) {
				b &^= 0x20
			}
			compact[n] = b
			n++
		case (b == ' ' || b == '-') && n >= 4 && isAlnum(at(t, j-1)):
		default:
			return -1
		}
	}
	if n < want || isAlnum(at(t, j)) || !mod97(compact[:n]) {
		return -1
	}
	return j
}

// mod97 checks the two check digits (ISO 7064 MOD 97-10).
func mod97(iban []byte) bool {
	rest := 0
	for k := range iban {
		b := iban[(k+4)%len(iban)]
		if isDigit(b) {
			rest = (rest*10 + int(b-'0')) % 97
		} else {
			rest = (rest*100 + int(b-'A') + 10) % 97
		}
	}
	return rest == 1
}

package check

import (
	"bytes"

	"github.com/tollgate/tollgate/services/guardrail/internal/pattern"
	"github.com/tollgate/tollgate/services/guardrail/internal/segment"
)

func apiKeyLiterals(out []pattern.Literal) []pattern.Literal {
	for _, f := range keyForms {
		out = append(out, pattern.Literal{Text: f.prefix, Groups: wakesPrefix})
	}
	for _, l := range []string{"eyJ", "-----BEGIN", "://"} {
		out = append(out, pattern.Literal{Text: l, Groups: wakesPrefix})
	}
	for _, w := range assignWords {
		out = append(out, pattern.Literal{Text: w, Groups: wakesAssign})
	}
	return out
}

// detectAPIKey finds keys and other credentials: by their issuer's form, JSON
// web tokens, private key blocks, passwords inside URLs, and random-looking
// values that are assigned to a name that says secret.
func detectAPIKey(s *Segment, out []Match) []Match {
	if s.Flags&segment.HasPEM != 0 {
		i := max(0, bytes.Index(s.Text, []byte("-----BEGIN")))
		return append(out, Match{Start: i, End: len(s.Text), Entity: "PRIVATE_KEY", Score: 1})
	}
	before := len(out)
	if s.Near&wakesPrefix != 0 {
		out = issuerKeys(s, out)
		out = webTokens(s, out)
		out = urlPasswords(s, out)
	}
	if s.Near&wakesAssign != 0 && len(out) == before {
		out = assigned(s, out)
	}
	return out
}

func issuerKeys(s *Segment, out []Match) []Match {
	t := s.Text
	for k := range keyForms {
		f := &keyForms[k]
		for from := 0; len(t)-from >= len(f.prefix)+f.min; {
			i := indexString(t[from:], f.prefix)
			if i < 0 {
				break
			}
			i += from
			from = i + 1
			if prev := at(t, i-1); isAlnum(prev) || prev == '_' || i == 0 && isAlnum(at(s.Left, len(s.Left)-1)) {
				continue
			}
			if end := keyEnd(t, i+len(f.prefix), f); end > 0 {
				out = append(out, Match{Start: i, End: end, Score: 1})
				from = end
			}
		}
	}
	return out
}

func indexString(t []byte, s string) int {
	for from := 0; ; {
		i := bytes.IndexByte(t[from:], s[0])
		if i < 0 || from+i+len(s) > len(t) {
			return -1
		}
		if i += from; string(t[i:i+len(s)]) == s {
			return i
		}
		from = i + 1
	}
}

func keyEnd(t []byte, i int, f *keyForm) int {
	j := i
	for j < len(t) && j-i <= f.max+1 && inSet(t[j], f.set) {
		j++
	}
	end := j
	for end > i && (t[end-1] == '.' || t[end-1] == '-' || t[end-1] == '/') {
		end--
	}
	if f.set != wide && f.set != urlSafe && j < len(t) && (wordByte(t[j]) || t[j] == '-') {
		return -1
	}
	if n := end - i; n < f.min || n > f.max || !random(t[i:end], 5) {
		return -1
	}
	return end
}

func inSet(b byte, set charset) bool {
	switch set {
	case hexOnly:
		return isDigit(b) || b|0x20 >= 'a' && b|0x20 <= 'f'
	case upper32:
		return isDigit(b) || b >= 'A' && b <= 'Z'
	case urlSafe:
		return isAlnum(b) || b == '-' || b == '_'
	case wide:
		return isAlnum(b) || b == '-' || b == '_' || b == '.' || b == '=' || b == '+' || b == '/' || b == '%'
	}
	return isAlnum(b)
}

// random reports whether the text has at least distinct different characters
// and is not a placeholder written with words or in one long repetition.
func random(t []byte, distinct int) bool {
	var seen [256]bool
	n, run, longest := 0, 1, 1
	for i, b := range t {
		if !seen[b] {
			seen[b] = true
			n++
		}
		if i > 0 && t[i-1] == b {
			run++
			longest = max(longest, run)
		} else {
			run = 1
		}
	}
	return n >= distinct && longest*2 < len(t) && longest < 12
}

// webTokens finds JSON web tokens (RFC 7519): three base64url parts, the first
// two of which begin like a JSON object.
func webTokens(s *Segment, out []Match) []Match {
	t := s.Text
	for from := 0; ; {
		i := indexString(t[from:], "eyJ")
		if i < 0 {
			return out
		}
		i += from
		from = i + 3
		if isAlnum(at(t, i-1)) {
			continue
		}
		a := skipSet(t, i, urlSafe)
		if at(t, a) != '.' || !bytes.HasPrefix(t[a+1:], []byte("eyJ")) {
			from = max(from, a)
			continue
		}
		b := skipSet(t, a+1, urlSafe)
		if at(t, b) == '.' {
			b = skipSet(t, b+1, urlSafe)
		}
		if b-i >= 30 {
			out = append(out, Match{Start: i, End: b, Entity: "JWT", Score: 1})
			from = b
		}
	}
}

func skipSet(t []byte, i int, set charset) int {
	for i < len(t) && inSet(t[i], set) {
		i++
	}
	return i
}

// urlPasswords finds the password in scheme://user:password@host.
func urlPasswords(s *Segment, out []Match) []Match {
	t := s.Text
	i := bytes.Index(t, []byte("://"))
	if i < 1 {
		return out
	}
	rest := t[i+3:]
	if cut := bytes.IndexAny(rest, "/?#"); cut >= 0 && bytes.IndexByte(rest[:cut], '@') >= 0 {
		rest = rest[:cut]
	}
	sign := bytes.LastIndexByte(rest, '@')
	colon := bytes.IndexByte(rest, ':')
	if colon < 0 || sign < colon+5 || sign == len(rest)-1 {
		return out
	}
	password := rest[colon+1 : sign]
	if bytes.ContainsAny(password, "/<>{}()*") || !random(password, 3) || bytes.EqualFold(password, []byte("password")) {
		return out
	}
	start := i + 3 + colon + 1
	return append(out, Match{Start: start, End: start + len(password), Entity: "URL_PASSWORD", Score: 1})
}

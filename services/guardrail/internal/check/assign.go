package check

import (
	"bytes"
	"math"
)

// assigned finds values that look random and are given to a name that says
// secret: api_key = "…", "token": "…", <secret>…</secret>, Authorization: ….
func assigned(s *Segment, out []Match) []Match {
	t := s.Text
	for i := 0; i < len(t); {
		if !valueByte(t[i]) || t[i] == '=' || t[i] == ':' || t[i] == '-' {
			i++
			continue
		}
		j := i
		for j < len(t) && valueByte(t[j]) && t[j] != ':' && !(t[j] == '=' && j+1 < len(t) && valueByte(t[j+1]) && t[j+1] != '=') {
			j++
		}
		if !longEnough(t[i:]) {
			i = j + 1
			continue
		}
		if strict, ok := s.assignedTo(i); ok {
			// After the name, further = and : belong to the value.
			for j < len(t) && valueByte(t[j]) {
				j++
			}
			if end := trimValue(t, i, j); at(t, j) != '(' && secretValue(t[i:end], strict) {
				out = append(out, Match{Start: i, End: end, Entity: "SECRET", Score: 0.8})
			}
		}
		i = j + 1
	}
	return out
}

// minValue is the shortest value that can be a secret.
const minValue = 6

func longEnough(t []byte) bool {
	if len(t) < minValue {
		return false
	}
	for _, b := range t[:minValue] {
		if !valueByte(b) {
			return false
		}
	}
	return true
}

func trimValue(t []byte, i, j int) int {
	for j > i && bytes.IndexByte([]byte(".,!?)'*:"), t[j-1]) >= 0 {
		j--
	}
	return j
}

func valueByte(b byte) bool {
	switch b {
	case '(', ')', '\'', '?':
		return false
	}
	return b > ' ' && b < 0x7F
}

// assignedTo looks left of position i for an operator and a name. strict says
// that the value has to look random; a password may be any word with a digit.
func (s *Segment) assignedTo(i int) (strict, ok bool) {
	var buf [2 * LeftContext]byte
	left := lower(buf[:0], s.Left)
	left = lower(left, s.Text[max(0, i-LeftContext):i])
	n := len(left)
	left = bytes.TrimRight(left, " \t\r\n\"'`([{\\")
	op := false
	for _, scheme := range []string{"bearer", "basic", "token"} {
		if bytes.HasSuffix(left, []byte(scheme)) && n > len(left) {
			rest := bytes.TrimRight(left[:len(left)-len(scheme)], " \"'")
			op = scheme == "bearer" || bytes.HasSuffix(rest, []byte(":")) || bytes.HasSuffix(rest, []byte("="))
			if op {
				return true, true
			}
		}
	}
	for len(left) > 0 && bytes.IndexByte([]byte("=:>,~?"), left[len(left)-1]) >= 0 {
		op = op || left[len(left)-1] != ',' || bytes.HasSuffix(left, []byte("\","))
		left = bytes.TrimRight(left[:len(left)-1], " \t")
	}
	if !op {
		return false, false
	}
	left = bytes.TrimRight(left, " \t\"'`)]}.|\\")
	left = bytes.TrimSuffix(left, []byte(" string"))
	k := len(left)
	for k > 0 && (wordByte(left[k-1]) || left[k-1] == '-' || left[k-1] == '.' || left[k-1] == ' ' && k > len(left)-8) {
		k--
	}
	return namesSecret(left[k:])
}

// namesAbout lists what a name ends with that is about a secret, not one.
var namesAbout = words("pem", "json", "crt", "txt", "go", "py", "name", "length", "len", "size", "url", "uri", "path", "file", "type", "count", "ttl", "expiry", "expires", "in", "id")

func namesSecret(name []byte) (strict, ok bool) {
	for _, about := range namesAbout {
		head := bytes.TrimSuffix(name, about)
		if len(head) < len(name) && len(head) > 0 && !isAlnum(head[len(head)-1]) && !bytes.HasSuffix(head, []byte("client_")) {
			return false, false
		}
	}
	if bytes.HasSuffix(name, []byte("_key")) || bytes.HasSuffix(name, []byte("-key")) {
		return true, true
	}
	for _, w := range assignWords {
		if bytes.Contains(name, []byte(w)) {
			switch w {
			case "password", "passwd", "pwd", "passphrase", "passwort", "kennwort", "mot de passe", "contrasena", "senha":
				return false, true
			}
			strict, ok = true, true
		}
	}
	return strict, ok
}

// secretValue judges a value by its length, its mix of characters and its
// entropy (Shannon, bits per character).
func secretValue(v []byte, strict bool) bool {
	if bytes.Contains(v, []byte("://")) || bytes.HasPrefix(v, []byte("$")) || bytes.HasPrefix(v, []byte("<")) {
		return false
	}
	digits, runs, letters, other := 0, 0, 0, 0
	for i, b := range v {
		switch {
		case isDigit(b):
			digits++
			if i == 0 || !isDigit(v[i-1]) {
				runs++
			}
		case isLetter(b):
			letters++
		default:
			other++
		}
	}
	if !strict {
		return len(v) >= minValue && len(v) <= 128 && random(v, 4) && (digits > 0 && letters > 0 || other > 0 && letters > 0 && digits > 0)
	}
	if len(v) < 10 || len(v) > 2048 || digits == 0 || !random(v, 6) || isPath(v, digits) {
		return false
	}
	h := entropy(v)
	if letters == 0 {
		return digits >= 15 && h >= 2.5
	}
	if runs < 2 && len(v) < 32 {
		return false // a name with a number in it: RSA2048PrivateKey
	}
	return h >= 2.8 && digits*10 >= len(v) || h >= 3.8 && mixedCase(v)
}

// isPath reports whether a value names a file or a field rather than being
// random: a/b.pem, cfg.retry2.max.
func isPath(v []byte, digits int) bool {
	dot := bytes.LastIndexByte(v, '.')
	if dot < 0 {
		return false
	}
	return bytes.IndexByte(v, '/') >= 0 || digits*10 < len(v) || len(v)-dot-1 <= 4 && bytes.Count(v, []byte(".")) == 1
}

func mixedCase(v []byte) bool {
	return bytes.ContainsAny(v, "abcdefghijklmnopqrstuvwxyz") && bytes.ContainsAny(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
}

func entropy(v []byte) float64 {
	var count [256]int
	for _, b := range v {
		count[b]++
	}
	h := 0.0
	for _, c := range count {
		if c > 0 {
			p := float64(c) / float64(len(v))
			h -= p * math.Log2(p)
		}
	}
	return h
}

package catalog

import "bytes"

// maxName bounds the names that are looked up.
const maxName = 256

// Find returns what is known of a model, or nil. It takes the name as any
// provider writes it: with the prefix of a vendor, a region or a path
// (models/gemini-2.5-pro, us.anthropic.claude-sonnet-4-5-20250929-v1:0), with a
// version or a date at its end (gpt-4o-2024-08-06). The longest name that is
// known wins, so that a dated version may have a row of its own. A nil
// catalogue knows nothing. It allocates nothing.
func (c *Catalog) Find(name string) *Model {
	if c == nil || name == "" || len(name) > maxName {
		return nil
	}
	var space [maxName]byte
	lower := space[:len(name)]
	for i := range len(name) {
		b := name[i]
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		lower[i] = b
	}
	for {
		if m := c.shorter(lower); m != nil {
			return m
		}
		rest, ok := withoutPrefix(lower)
		if !ok {
			return nil
		}
		lower = rest
	}
}

// shorter looks a name up as it is, then without what stands at its end.
func (c *Catalog) shorter(name []byte) *Model {
	for {
		if m := c.exact(name); m != nil {
			return m
		}
		rest, ok := withoutSuffix(name)
		if !ok {
			return nil
		}
		name = rest
	}
}

// withoutPrefix cuts a path, or else a region or a vendor before a dot.
func withoutPrefix(name []byte) ([]byte, bool) {
	if i := bytes.LastIndexByte(name, '/'); i >= 0 && i+1 < len(name) {
		return name[i+1:], true
	}
	i := bytes.IndexByte(name, '.')
	if i < 0 || i+1 == len(name) || !scopes[string(name[:i])] {
		return nil, false
	}
	return name[i+1:], true
}

// scopes stand before a dot in the names of Bedrock: inference profiles'
// regions and vendors.
var scopes = map[string]bool{
	"us": true, "us-gov": true, "eu": true, "apac": true, "ap": true, "jp": true, "au": true, "ca": true, "sa": true, "global": true,
	"ai21": true, "amazon": true, "anthropic": true, "cohere": true, "deepseek": true, "google": true, "luma": true, "meta": true,
	"minimax": true, "mistral": true, "moonshot": true, "moonshotai": true, "nvidia": true, "openai": true, "qwen": true,
	"stability": true, "twelvelabs": true, "writer": true, "zai": true,
}

// trailing are words at the end of a name that say how stable it is.
var trailing = [...]string{"-latest", "-preview"}

// withoutSuffix cuts one of: a tag behind a colon, a trailing word, a version
// (-v1), a date, or a number of three to eight digits behind a hyphen or an at sign.
func withoutSuffix(name []byte) ([]byte, bool) {
	if i := bytes.LastIndexByte(name, ':'); i > 0 {
		return name[:i], true
	}
	for _, word := range trailing {
		if len(name) > len(word) && string(name[len(name)-len(word):]) == word {
			return name[:len(name)-len(word)], true
		}
	}
	at := len(name)
	for at > 0 && isDigit(name[at-1]) {
		at--
	}
	digits := len(name) - at
	switch {
	case digits == 0 || at < 2:
		return nil, false
	case name[at-1] == 'v' && name[at-2] == '-' && at > 2:
		return name[:at-2], true
	case name[at-1] == '@' && digits <= 8:
		return name[:at-1], true
	case name[at-1] != '-' || digits > 8:
		return nil, false
	case ends(name, "-00-0000"):
		return name[:at-len("-00-")], true
	case digits >= 3:
		return name[:at-1], true
	case ends(name, "-0000-00-00"):
		return name[:at-len("-0000-00-")], true
	default:
		return nil, false
	}
}

// ends says whether a name ends with digits where the form has zeros, and with
// the same as the form elsewhere.
func ends(name []byte, form string) bool {
	if len(name) <= len(form) {
		return false
	}
	tail := name[len(name)-len(form):]
	for i := range len(form) {
		if form[i] == '0' && !isDigit(tail[i]) || form[i] != '0' && tail[i] != form[i] {
			return false
		}
	}
	return true
}

func isDigit(b byte) bool { return b >= '0' && b <= '9' }

// Package tokens counts how many tokens a text has, where no count is known yet
// or none will come.
//
// Budget holds and rate limits, which every request waits for, take an estimate
// without a tokenizer: Counter, Conversation, Text. Where time matters less (the
// usage of an answer whose provider reported none, a client that asks for a
// count) the tokenizer of the model's family counts, if it is public: Count,
// Written. Either way it is said what counted.
//
// The estimate is a sum over bytes: every byte has a weight by its class (letter, digit,
// punctuation, space, lead byte of a longer UTF-8 sequence), set so that English
// prose comes to about 4.3 characters a token, code to about 3 and Chinese or
// Japanese to about one character a token; a factor by model family follows.
// On prose it is within about 20 % of the real count, on base64 or random text
// it may be half of it. Being a sum, it does not depend on how a text is cut.
package tokens

import (
	"strings"
)

// family says how a group of models cuts text, against the base weights.
type family struct {
	prefix        string
	ascii, beyond int64 // percent
	tokenizer     string
}

// families are looked up by the first prefix that fits the model's name after
// its last "/", or after one of its dots (us.anthropic.claude-…).
// The figures are round ones: vocabularies of 200,000 entries (gpt-4o and later,
// Gemini) cut other scripts well, those of 100,000 and fewer need more.
var families = []family{
	{"gpt-3.5", 102, 160, CL100K},
	{"gpt-35", 102, 160, CL100K}, // as Azure writes it
	{"gpt-4-", 102, 160, CL100K},
	{"text-embedding", 102, 160, CL100K},
	{"gpt-", 100, 100, O200K},
	{"o1", 100, 100, O200K},
	{"o3", 100, 100, O200K},
	{"o4", 100, 100, O200K},
	{"gemini", 100, 95, ByteClasses},
	{"claude", 118, 130, ByteClasses},
	{"llama", 105, 130, ByteClasses},
	{"mistral", 112, 130, ByteClasses},
	{"qwen", 104, 95, ByteClasses},
}

// unknown is the family of every other model: rather too much than too little.
var unknown = family{"", 115, 140, ByteClasses}

// Weights of byte classes in thousandths of a token.
const (
	letterWeight      = 215
	digitWeight       = 400
	spaceWeight       = 40
	newlineWeight     = 350
	punctuationWeight = 620
	controlWeight     = 1000
	lead2Weight       = 450  // Latin with accents, Greek, Cyrillic, Arabic, Hebrew
	lead3Weight       = 1000 // Chinese, Japanese, Korean, Indic scripts
	lead4Weight       = 2000 // emoji
)

// table holds the weights of a family by byte.
type table [256]int32

var tables = func() map[string]*table {
	made := make(map[string]*table, len(families)+1)
	for _, f := range append([]family{unknown}, families...) {
		made[f.prefix] = newTable(f)
	}
	return made
}()

func newTable(f family) *table {
	var t table
	for b := range 256 {
		percent := f.ascii
		if b >= 0x80 {
			percent = f.beyond
		}
		t[b] = int32(baseWeight(byte(b)) * percent / 100)
	}
	return &t
}

func baseWeight(b byte) int64 {
	switch {
	case b|0x20 >= 'a' && b|0x20 <= 'z':
		return letterWeight
	case b >= '0' && b <= '9':
		return digitWeight
	case b == ' ' || b == '\t' || b == '\r':
		return spaceWeight
	case b == '\n':
		return newlineWeight
	case b < 0x20 || b == 0x7f:
		return controlWeight
	case b < 0x80:
		return punctuationWeight
	case b < 0xc0: // continuation: the lead byte has counted
		return 0
	case b < 0xe0:
		return lead2Weight
	case b < 0xf0:
		return lead3Weight
	default:
		return lead4Weight
	}
}

func tableFor(model string) *table { return tables[familyOf(model).prefix] }

func familyOf(model string) *family {
	rest := model[strings.LastIndexByte(model, '/')+1:]
	for {
		if f := byPrefix(rest); f != nil {
			return f
		}
		i := strings.IndexByte(rest, '.') // us.anthropic.claude-…
		if i < 0 {
			return &unknown
		}
		rest = rest[i+1:]
	}
}

func byPrefix(model string) *family {
	if model == "gpt-4" {
		model = "gpt-4-" // not gpt-4o, nor gpt-4.1
	}
	for i := range families {
		if strings.HasPrefix(model, families[i].prefix) {
			return &families[i]
		}
	}
	return nil
}

// Counter adds up a text that comes in pieces. Its zero value counts nothing;
// make one with NewCounter.
type Counter struct {
	table *table
	milli int64
	exact *exact // counts too; nil for an estimate
}

// NewCounter returns a counter for a model.
func NewCounter(model string) Counter { return Counter{table: tableFor(model)} }

// Add counts a piece.
func (c *Counter) Add(piece []byte) {
	if c.table != nil {
		c.milli += c.table.weigh(piece)
	}
}

func (t *table) weigh(piece []byte) int64 {
	sum := int64(0)
	for _, b := range piece {
		sum += int64(t[b])
	}
	return sum
}

// AddString counts a piece.
func (c *Counter) AddString(piece string) {
	if c.table == nil {
		return
	}
	sum, table := int64(0), c.table
	for i := range len(piece) {
		sum += int64(table[piece[i]])
	}
	c.milli += sum
	if c.exact != nil {
		c.exact.add(piece, sum, table)
	}
}

// addTokens adds a known number of tokens.
func (c *Counter) addTokens(n int64) { c.milli += 1000 * n }

// Tokens is the estimate so far, rounded up.
func (c *Counter) Tokens() int64 { return (c.milli + 999) / 1000 }

// Text estimates one text.
func Text(model, text string) int64 {
	c := NewCounter(model)
	c.AddString(text)
	return c.Tokens()
}

// Package check holds the checks of the guardrail. A check is a row of
// Registry; adding one is adding a file and a row.
package check

import (
	"github.com/tollgate/tollgate/services/guardrail/internal/pattern"
	"github.com/tollgate/tollgate/services/guardrail/internal/segment"
)

// Action is what a rule does when its check fires, weakest first.
type Action uint8

// Actions.
const (
	Flag Action = iota + 1
	Mask
	Block
)

// String returns the word used in configuration.
func (a Action) String() string {
	switch a {
	case Flag:
		return "flag"
	case Mask:
		return "mask"
	case Block:
		return "block"
	}
	return "none"
}

// Trigger groups: what woke a check.
const (
	groupPrefix = iota
	groupAssign
	groupInjection
	groupEncoded
)

// Masks of the trigger groups.
const (
	wakesPrefix    pattern.Groups = 1 << groupPrefix
	wakesAssign    pattern.Groups = 1 << groupAssign
	wakesInjection pattern.Groups = 1 << groupInjection
	// InjectionGroups is the group of injection's words.
	InjectionGroups = wakesInjection
	// WakesROT13 is the group of injection words rotated by 13.
	WakesROT13 pattern.Groups = 1 << groupEncoded
)

// LeftContext is how many folded bytes before a segment a check may read.
const LeftContext = 64

// Segment is what a check of entities looks at.
type Segment struct {
	// Text is the segment, folded.
	Text []byte
	// Left is what stands before it, at most LeftContext bytes.
	Left   []byte
	Flags  segment.Flags
	Digits int
	// Near holds the trigger groups seen in Text or in Left.
	Near pattern.Groups
}

// Match is a half-open range of Segment.Text.
type Match struct {
	Start, End int
	Entity     string
	Score      float64
}

// gate says what a segment must hold before a check looks at it.
type gate struct {
	flags  segment.Flags
	digits int
	minLen int
	near   pattern.Groups
}

// Check is one check of entities inside segments, or of whole texts.
type Check struct {
	Name   string
	Entity string
	// Default is the action of a rule that names none.
	Default Action
	// MaxMatch is the longest match in folded bytes: what a stream may have to
	// hold back for this check.
	MaxMatch int
	// Detect appends the matches in a segment; nil for a check of whole texts.
	Detect func(s *Segment, out []Match) []Match
	gate   gate
}

// Wants reports whether the check needs to look at the segment at all.
func (c *Check) Wants(s *Segment) bool {
	g := &c.gate
	if len(s.Text) < g.minLen || s.Digits < g.digits {
		return false
	}
	if g.flags == 0 && g.near == 0 {
		return true
	}
	return s.Flags&g.flags != 0 || s.Near&g.near != 0
}

// Registry lists all checks. The order breaks ties between overlapping
// matches: what is more telling comes first.
func Registry() []*Check { return registry }

var registry = []*Check{
	{
		Name: "api_key", Entity: "API_KEY", Default: Mask, MaxMatch: segment.MaxLen, Detect: detectAPIKey,
		gate: gate{minLen: 8, near: wakesPrefix | wakesAssign, flags: segment.HasPEM | segment.HasAt},
	},
	{
		Name: "payment_card", Entity: "PAYMENT_CARD", Default: Mask, MaxMatch: 37, Detect: detectCard,
		gate: gate{digits: 12},
	},
	{
		Name: "iban", Entity: "IBAN", Default: Mask, MaxMatch: 42, Detect: detectIBAN,
		gate: gate{minLen: 15, digits: 4, flags: segment.HasLetter},
	},
	{
		Name: "us_ssn", Entity: "US_SSN", Default: Mask, MaxMatch: 11, Detect: detectSSN,
		gate: gate{digits: 9},
	},
	{
		Name: "email", Entity: "EMAIL", Default: Mask, MaxMatch: 320, Detect: detectEmail,
		gate: gate{minLen: 6, flags: segment.HasAt},
	},
	{
		Name: "phone", Entity: "PHONE", Default: Mask, MaxMatch: 40, Detect: detectPhone,
		gate: gate{digits: 7},
	},
	{
		Name: "ip_address", Entity: "IP_ADDRESS", Default: Flag, MaxMatch: 45, Detect: detectIP,
		gate: gate{digits: 1, minLen: 3, flags: segment.HasDot | segment.HasColon},
	},
	{Name: Injection, Entity: "PROMPT_INJECTION", Default: Block},
}

// Injection is the name of the check of whole texts for prompt injection.
const Injection = "injection"

// ByName finds a check.
func ByName(name string) (*Check, bool) {
	for _, c := range registry {
		if c.Name == name {
			return c, true
		}
	}
	return nil, false
}

// Literals returns every literal that some check waits for.
func Literals() []pattern.Literal {
	out := apiKeyLiterals(nil)
	return injectionLiterals(out)
}

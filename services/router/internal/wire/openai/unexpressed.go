package openai

import (
	"slices"

	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// MaxUnexpressed is the most that the list of what the canonical form cannot
// carry holds, maxMemberName the longest name in it.
const (
	MaxUnexpressed = 64
	maxMemberName  = 64
)

// silent are values that say no more than the absence of their member; any
// value if there is no list. Null is one of every member.
var silent = map[string][]string{
	"logit_bias":   {`{}`},
	"logprobs":     {`false`},
	"top_logprobs": {`0`},
	"store":        {`false`},
	"service_tier": {`"auto"`, `"default"`},
	"verbosity":    {`"medium"`},
	// Padding of streams, which the gateway writes itself or passes on.
	"include_obfuscation": nil,
	// A call's place in the stream that it was read from.
	"index": nil,
}

// unknown skips a member that the canonical form cannot carry, and notes it if
// it says anything.
func (p *parser) unknown(key []byte, in *jsonscan.Path) {
	at := p.Skip()
	if p.Err != nil {
		return
	}
	if Says(key, p.Data[at.Start:at.End]) {
		p.unexpressed(&jsonscan.Path{Parent: in, Name: MemberName(key)})
	}
}

// Says says whether a member that is not carried over says more than its absence.
func Says(name, value []byte) bool {
	values, known := silent[string(name)]
	return string(value) != "null" && (!known || values != nil && !slices.Contains(values, string(value)))
}

func (p *parser) unexpressed(at *jsonscan.Path) {
	if len(p.req.unexpressed) < MaxUnexpressed {
		p.req.unexpressed = append(p.req.unexpressed, at.String())
	}
}

// MemberName keeps what looks like a name: the list gets into headers.
func MemberName(key []byte) string {
	name := make([]byte, 0, min(len(key), maxMemberName))
	for _, c := range key[:min(len(key), maxMemberName)] {
		if c <= ' ' || c > '~' || c == ',' {
			c = '?'
		}
		name = append(name, c)
	}
	return string(name)
}

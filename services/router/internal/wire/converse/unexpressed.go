package converse

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Bounds of the list of what the canonical form cannot carry.
const (
	maxUnexpressed = 64
	maxMemberName  = 64
)

// silent are values that say no more than the absence of their member. Null is
// one of every member.
var silent = map[string][]string{
	"performanceConfig":                 {`{}`, `{"latency":"standard"}`},
	"serviceTier":                       {`{"type":"default"}`},
	"additionalModelResponseFieldPaths": {`[]`},
	"promptVariables":                   {`{}`},
	"citations":                         {`{"enabled":false}`},
	"qualifiers":                        {`[]`},
}

// unknown skips a member that the canonical form cannot carry, and notes it if
// it says anything.
func (p *parser) unknown(key []byte, in *jsonscan.Path) {
	at := p.Skip()
	if p.Err != nil {
		return
	}
	value := p.Data[at.Start:at.End]
	if string(value) == "null" {
		return
	}
	if values := silent[string(key)]; values != nil {
		var compact bytes.Buffer
		if json.Compact(&compact, value) == nil && slices.Contains(values, compact.String()) {
			return
		}
	}
	p.unexpressed(&jsonscan.Path{Parent: in, Name: memberName(key)})
}

func (p *parser) unexpressed(at *jsonscan.Path) {
	if len(p.req.unexpressed) < maxUnexpressed {
		p.req.unexpressed = append(p.req.unexpressed, at.String())
	}
}

// memberName keeps what looks like a name: the list gets into headers.
func memberName(key []byte) string {
	name := make([]byte, 0, min(len(key), maxMemberName))
	for _, c := range key[:min(len(key), maxMemberName)] {
		if c <= ' ' || c > '~' || c == ',' {
			c = '?'
		}
		name = append(name, c)
	}
	return string(name)
}

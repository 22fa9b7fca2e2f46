package bedrock

import (
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

const maxBetas = 32

// betasOf reads which features a body of Anthropic's asks for. Anthropic's own
// API has them in a header, so they are held to what such names are made of.
func betasOf(body []byte) ([]string, error) {
	var betas []string
	at := &jsonscan.Path{Name: "anthropic_beta"}
	s := jsonscan.Scanner{Data: body}
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) != at.Name {
			s.Skip()
			continue
		}
		if s.Null() {
			continue
		}
		if s.Peek() != '[' {
			return nil, at.Invalid("must be an array of strings")
		}
		for s.Open('['); s.Next(']'); {
			name := s.OptionalValue(s.OptionalText())
			if len(betas) == maxBetas || name == "" || refusal.Printable(name) != name {
				return nil, at.Invalid("must hold at most %d names of letters, digits and hyphens", maxBetas)
			}
			betas = append(betas, name)
		}
	}
	return betas, nil
}

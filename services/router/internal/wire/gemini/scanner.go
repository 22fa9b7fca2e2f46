package gemini

import "github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"

// scanner reads what is peculiar to the format.
type scanner struct{ jsonscan.Scanner }

func newScanner(data []byte) scanner { return scanner{jsonscan.Scanner{Data: data}} }

// members calls read for each member of an object; any other value is skipped.
// read must read the value.
func (s *scanner) members(read func(name []byte)) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for s.Open('{'); s.Next('}'); {
		read(s.Key())
	}
}

// elements calls read for each object of a list, or for a single one in place
// of a list; any other value is skipped.
func (s *scanner) elements(read func()) {
	switch s.Peek() {
	case '{':
		read()
	case '[':
		for s.Open('['); s.Next(']'); {
			if s.Peek() != '{' {
				s.Skip()
				continue
			}
			read()
		}
	default:
		s.Skip()
	}
}

package sagemaker

import (
	"io"

	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
)

// parts reads the container's bytes out of the messages that they come in. They
// are cut anywhere: in an event, in a line, in a character.
type parts struct {
	messages *eventstream.Reader
	rest     []byte
	err      error
}

func newParts(src io.Reader) *parts { return &parts{messages: eventstream.NewReader(src)} }

// Read implements io.Reader. An exception is the error that it says.
func (p *parts) Read(dst []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.err != nil {
			return 0, p.err
		}
		p.next()
	}
	n := copy(dst, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

func (p *parts) next() {
	raw, err := p.messages.Next()
	if err != nil {
		p.err = err
		return
	}
	m, err := eventstream.Parse(raw)
	switch {
	case err != nil:
		p.err = err
	case m.Kind == eventstream.Event && string(m.Type) == "PayloadPart":
		p.rest = m.Payload
	case m.Kind == eventstream.Exception, m.Kind == eventstream.Failure:
		p.err = converse.DecodeException(m)
	}
}

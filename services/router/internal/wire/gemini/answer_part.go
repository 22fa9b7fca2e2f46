package gemini

import "github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"

// partKind is what an answer's part is.
type partKind uint8

const (
	partNone    partKind = iota
	partText             // text that is shown, code that was run, or what it wrote
	partThought          // thinking
	partCall             // a call of a function
	partMedia            // a picture or the like
	partOpaque           // an object that the canonical form has no word for
)

// answerPart is where things stand in one part of an answer.
type answerPart struct {
	kind       partKind
	text       jsonscan.Token
	raw        jsonscan.Span // a call's arguments, or an opaque object
	id, name   jsonscan.Token
	signature  jsonscan.Token
	media      jsonscan.Token
	data, uri  jsonscan.Token
	unreadable bool // a call in pieces, which cannot be checked
}

// readPart reads a part; its members may come in any order.
func (s *scanner) readPart(p *answerPart) {
	*p = answerPart{}
	thought := false
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "text":
			p.kind, p.text = partText, s.OptionalText()
		case "thought":
			thought, _ = s.Boolean()
		case "thoughtSignature":
			p.signature = s.OptionalText()
		case "functionCall":
			p.kind = partCall
			s.readCall(p)
		case "inlineData", "fileData":
			p.kind = partMedia
			s.readMedia(p)
		case "executableCode":
			p.kind = partText
			s.readCode(p, "code")
		case "codeExecutionResult":
			p.kind = partText
			s.readCode(p, "output")
		case "toolCall", "toolResponse":
			p.kind, p.raw = partOpaque, s.Skip()
		default:
			s.Skip()
		}
	}
	if thought && (p.kind == partText || p.kind == partNone) {
		p.kind = partThought
	}
	if empty := p.text.End == p.text.Start; empty && (p.kind == partText || p.kind == partThought && p.signature.Start == 0) {
		p.kind = partNone
	}
}

func (s *scanner) readCall(p *answerPart) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "id":
			p.id = s.OptionalText()
		case "name":
			p.name = s.OptionalText()
		case "args":
			if s.Peek() == '{' {
				p.raw = s.Skip()
				continue
			}
			s.Skip()
		case "partialArgs":
			s.Skip()
			p.unreadable = true
		default:
			s.Skip()
		}
	}
}

func (s *scanner) readMedia(p *answerPart) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "mimeType":
			p.media = s.OptionalText()
		case "data":
			p.data = s.OptionalText()
		case "fileUri":
			p.uri = s.OptionalText()
		default:
			s.Skip()
		}
	}
}

func (s *scanner) readCode(p *answerPart, member string) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) == member {
			p.text = s.OptionalText()
			continue
		}
		s.Skip()
	}
}

package anthropic

import (
	"errors"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

var (
	errNoContent = errors.New("has no content")
	errBlock     = errors.New("has a block that lacks what its type needs")
)

// answer is where things stand in the body of a message.
type answer struct {
	scanner
	id, model    jsonscan.Token
	blocks       []answerBlock
	counts       counts
	finish, stop jsonscan.Span
	failure      error
	seen         bool // content was there
}

// answerBlock is one block of an answer.
type answerBlock struct {
	kind                            kind
	text, thinking, signature, data jsonscan.Token
	id, name                        jsonscan.Token
	input, citations                jsonscan.Span
	inner                           int // behind the opening brace
}

// kind is what a block is.
type kind uint8

const (
	otherBlock kind = iota // one that the canonical form does not know
	textBlock
	thinkingBlock
	redactedBlock
	toolBlock
)

func kindOf(name []byte) kind {
	switch string(name) {
	case "text":
		return textBlock
	case "thinking":
		return thinkingBlock
	case "redacted_thinking":
		return redactedBlock
	case "tool_use":
		return toolBlock
	default:
		return otherBlock
	}
}

// scanAnswer reads the body of a message, strictly as to JSON and leniently as
// to members.
func scanAnswer(raw []byte) (*answer, error) {
	a := &answer{scanner: newScanner(raw)}
	if a.Peek() != '{' {
		return nil, refusal.Unreadable(jsonscan.ErrSyntax)
	}
	for a.Open('{'); a.Next('}'); {
		switch string(a.Key()) {
		case "id":
			a.id = a.OptionalText()
		case "model":
			a.model = a.OptionalText()
		case "content":
			a.content()
		case "stop_reason":
			a.finish = a.Skip()
		case "stop_sequence":
			a.stop = a.Skip()
		case "usage":
			a.usage(&a.counts)
		case "error":
			a.failure = a.errorObject(200)
		default:
			a.Skip()
		}
	}
	if err := a.Finish(); err != nil {
		return nil, refusal.Unreadable(err)
	}
	if a.failure != nil {
		return nil, a.failure
	}
	if !a.seen {
		return nil, refusal.Unreadable(errNoContent)
	}
	return a, nil
}

func (a *answer) content() {
	if a.Peek() != '[' {
		a.Skip()
		return
	}
	a.seen = true
	for a.Open('['); a.Next(']'); {
		if a.Peek() != '{' {
			a.Fail(jsonscan.ErrSyntax)
			return
		}
		var b answerBlock
		a.block(&b)
		if !b.whole() {
			a.Fail(errBlock)
			return
		}
		a.blocks = append(a.blocks, b)
	}
}

// block reads a block. It is used for the beginning of a streamed one too.
func (s *scanner) block(b *answerBlock) {
	s.Open('{')
	b.inner = s.At
	for s.Next('}') {
		switch string(s.Key()) {
		case "type":
			t := s.OptionalText()
			b.kind = kindOf(s.Inner(t))
		case "text":
			b.text = s.OptionalText()
		case "thinking":
			b.thinking = s.OptionalText()
		case "signature":
			b.signature = s.OptionalText()
		case "data":
			b.data = s.OptionalText()
		case "id":
			b.id = s.OptionalText()
		case "name":
			b.name = s.OptionalText()
		case "input":
			b.input = s.Skip()
		case "citations":
			b.citations = s.Skip()
		default:
			s.Skip()
		}
	}
}

// whole says whether a block has what its type needs.
func (b *answerBlock) whole() bool {
	switch b.kind {
	case textBlock:
		return b.text.Start != 0
	case thinkingBlock:
		return b.thinking.Start != 0
	case redactedBlock:
		return b.data.Start != 0
	case toolBlock:
		return b.id.Start != 0 && b.name.Start != 0 && b.input.End != 0
	default:
		return true
	}
}

// place is where the block's text stands, and its value.
func (a *answer) place(b *answerBlock) (text, string) {
	switch b.kind {
	case textBlock:
		return text{Token: b.text}, a.OptionalValue(b.text)
	case thinkingBlock:
		return text{Token: b.thinking}, a.OptionalValue(b.thinking)
	case toolBlock:
		return text{Token: jsonscan.Token{Span: b.input}, object: true}, jsonscan.Alias(a.Data[b.input.Start:b.input.End])
	default:
		return text{}, ""
	}
}

func (a *answer) reason() llmv1.FinishReason {
	if a.finish.End-a.finish.Start <= 2 || a.Data[a.finish.Start] != '"' {
		return llmv1.FinishReason_FINISH_REASON_UNSPECIFIED
	}
	return finishReason(a.Data[a.finish.Start+1 : a.finish.End-1])
}

// stopText is the stop text that ended the answer; empty for null.
func (s *scanner) stopText(at jsonscan.Span) string {
	if at.End == 0 {
		return ""
	}
	inner := newScanner(s.Data[at.Start:at.End])
	return inner.OptionalValue(inner.OptionalText())
}

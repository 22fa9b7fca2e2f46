package converse

import (
	"encoding/base64"
	"errors"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

var (
	errNoMessage = errors.New("has no message")
	errNotJSON   = errors.New("a tool's arguments are not JSON")
	errNoText    = errors.New("a part without a text cannot have another")
)

// answer is where things stand in the body of an answer.
type answer struct {
	jsonscan.Scanner
	said group
	// end is before the bracket that closes the content; 0 if there is none.
	end    int
	filled bool // there is a block before it
	stop   jsonscan.Span
	reason llmv1.FinishReason
	// stopText is the stop text that ended it, where the model says so.
	stopText jsonscan.Token
	usage    *llmv1.Usage
	// opaque is set if there is content that nobody has looked at, so that the
	// body cannot be passed on.
	opaque bool
}

// scanAnswer reads the body of an answer, strictly as to JSON and leniently as
// to members.
func scanAnswer(raw []byte) (*answer, error) {
	a := &answer{Scanner: jsonscan.Scanner{Data: raw}}
	if a.Peek() != '{' {
		return nil, refusal.Unreadable(jsonscan.ErrSyntax)
	}
	for a.Open('{'); a.Next('}'); {
		switch string(a.Key()) {
		case "output":
			a.within("message", func() { a.within("content", a.content) })
		case "stopReason":
			a.stop = a.Skip()
			if a.stop.End-a.stop.Start > 2 && raw[a.stop.Start] == '"' {
				a.reason = finishReason(raw[a.stop.Start+1 : a.stop.End-1])
			}
		case "usage":
			a.usage = readUsage(&a.Scanner)
		case "additionalModelResponseFields":
			a.within("stop_sequence", func() { a.stopText = a.OptionalText() })
		default:
			a.Skip()
		}
	}
	if err := a.Finish(); err != nil {
		return nil, refusal.Unreadable(err)
	}
	if a.end == 0 {
		return nil, refusal.Unreadable(errNoMessage)
	}
	return a, nil
}

// within reads one member of an object, if there is one, and skips the others.
func (a *answer) within(name string, read func()) {
	if a.Peek() != '{' {
		a.Skip()
		return
	}
	for a.Open('{'); a.Next('}'); {
		if string(a.Key()) == name {
			read()
			continue
		}
		a.Skip()
	}
}

func (a *answer) content() {
	if a.Peek() != '[' {
		a.Skip()
		return
	}
	for a.Open('['); a.Next(']'); {
		if a.Peek() != '{' {
			a.Fail(jsonscan.ErrSyntax)
			return
		}
		a.filled = true
		for a.Open('{'); a.Next('}'); {
			a.block(a.Key())
		}
	}
	a.end = a.At - 1
}

func (a *answer) block(kind []byte) {
	switch string(kind) {
	case "text":
		a.text(nil)
	case "toolUse":
		a.toolUse()
	case "reasoningContent":
		a.thinking()
	case "citationsContent":
		a.cited()
	default:
		a.opaque = a.opaque || a.Peek() != 'n'
		a.Skip()
	}
}

func (a *answer) text(citations []*llmv1.Citation) {
	if a.Peek() != '"' {
		a.Skip()
		return
	}
	t := a.Text()
	part := newText(a.OptionalValue(t))
	part.GetText().Citations = citations
	a.said.add(part, place{Span: t.Span, kind: quoted})
}

func (a *answer) toolUse() {
	if a.Peek() != '{' {
		a.Skip()
		return
	}
	call := &llmv1.ToolCall{}
	var in jsonscan.Span
	for a.Open('{'); a.Next('}'); {
		switch string(a.Key()) {
		case "toolUseId":
			call.Id = a.OptionalValue(a.OptionalText())
		case "name":
			call.Name = a.OptionalValue(a.OptionalText())
		case "input":
			in = a.Skip()
		default:
			a.Skip()
		}
	}
	if a.Err != nil {
		return
	}
	where := place{}
	if in.End > 0 {
		call.Arguments = jsonscan.Alias(a.Data[in.Start:in.End])
		where = place{Span: in, kind: input}
	}
	a.said.add(&llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: call}}, where)
}

func (a *answer) thinking() {
	thought := &llmv1.Thinking{}
	var text jsonscan.Token
	if a.Peek() != '{' {
		a.Skip()
		return
	}
	for a.Open('{'); a.Next('}'); {
		switch key := string(a.Key()); {
		case key == "reasoningText" && a.Peek() == '{':
			for a.Open('{'); a.Next('}'); {
				switch string(a.Key()) {
				case "text":
					text = a.OptionalText()
				case "signature":
					thought.Signature = a.OptionalValue(a.OptionalText())
				default:
					a.Skip()
				}
			}
		case key == "redactedContent":
			thought.Redacted = decode(a.OptionalValue(a.OptionalText()))
		default:
			a.Skip()
		}
	}
	where := place{}
	if text.Start != 0 {
		thought.Text, where = a.OptionalValue(text), place{Span: text.Span, kind: quoted}
	}
	a.said.add(&llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: thought}}, where)
}

// decode reads bytes; what is no base64 is kept as it is.
func decode(text string) []byte {
	if data, err := base64.StdEncoding.DecodeString(text); err == nil {
		return data
	}
	return []byte(text)
}

// cited reads a text with citations, whichever comes first.
func (a *answer) cited() {
	if a.Peek() != '{' {
		a.Skip()
		return
	}
	from := len(a.said.parts)
	var citations []*llmv1.Citation
	for a.Open('{'); a.Next('}'); {
		switch key := string(a.Key()); {
		case key == "citations":
			citations = readCitations(&a.Scanner)
		case key == "content" && a.Peek() == '[':
			for a.Open('['); a.Next(']'); {
				a.within("text", func() { a.text(nil) })
			}
		default:
			a.Skip()
		}
	}
	if a.Err == nil && from < len(a.said.parts) {
		a.said.parts[from].GetText().Citations = citations
	}
}

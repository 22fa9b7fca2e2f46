package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// answer is where things stand in the body of a completion.
type answer struct {
	scanner
	id, model token
	created   int64
	choices   []choice
	usage     *llmv1.Usage
	failure   error
	seen      bool // choices were there
}

// choice is one candidate. Its texts stand in the order of the canonical
// parts: thinking, content, refusal, calls.
type choice struct {
	index       int32
	message     int // behind the message's opening brace; 0 if there is none
	thinking    token
	content     []token
	refusal     token
	calls       []call
	citations   []*llmv1.Citation
	annotations span
	logprobs    span
	finish      span
	reason      llmv1.FinishReason
	// opaque is set if there is content that has no text of its own place, so
	// that the body cannot be passed on.
	opaque bool
}

type call struct{ id, name, arguments token }

// texts lists the candidate's texts.
func (c *choice) texts() []token {
	out := make([]token, 0, len(c.content)+len(c.calls)+2)
	if c.thinking.start != 0 {
		out = append(out, c.thinking)
	}
	out = append(out, c.content...)
	if c.refusal.start != 0 {
		out = append(out, c.refusal)
	}
	for _, call := range c.calls {
		out = append(out, call.arguments)
	}
	return out
}

// scanAnswer reads the body of a completion, strictly as to JSON and leniently
// as to members.
func scanAnswer(raw []byte) (*answer, error) {
	a := &answer{scanner: scanner{data: raw}}
	if a.peek() != '{' {
		return nil, unreadable(errSyntax)
	}
	for a.open('{'); a.next('}'); {
		switch string(a.key()) {
		case "id":
			a.id = a.optionalText()
		case "model":
			a.model = a.optionalText()
		case "created":
			a.created, _ = a.integer()
		case "choices":
			a.seen = true
			a.readChoices()
		case "usage":
			a.usage = a.scanner.usage()
		case "error":
			a.failure = a.errorObject(200)
		default:
			a.skip()
		}
	}
	if err := a.finish(); err != nil {
		return nil, unreadable(err)
	}
	if a.failure != nil {
		return nil, a.failure
	}
	if !a.seen || len(a.choices) == 0 {
		return nil, unreadable(errNoChoices)
	}
	return a, nil
}

func unreadable(cause error) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "the provider's answer cannot be understood").WithCause(cause)
}

// optionalText reads a string; anything else is skipped and reads as none.
func (s *scanner) optionalText() token {
	if s.peek() == '"' {
		return s.text()
	}
	s.skip()
	return token{}
}

func (s *scanner) optionalValue(t token) string {
	if t.start == 0 {
		return ""
	}
	return s.value(t)
}

func (a *answer) readChoices() {
	if a.peek() != '[' {
		a.skip()
		return
	}
	for a.open('['); a.next(']'); {
		if a.peek() != '{' {
			a.fail(errSyntax)
			return
		}
		c := choice{index: int32(len(a.choices))} // bounded by the body
		a.readChoice(&c)
		a.choices = append(a.choices, c)
	}
}

func (a *answer) readChoice(c *choice) {
	for a.open('{'); a.next('}'); {
		switch string(a.key()) {
		case "index":
			if n, ok := a.integer(); ok && n >= 0 && n < maxCandidates {
				c.index = int32(n) // bounded above
			}
		case "message":
			a.readMessage(c)
		case "finish_reason":
			c.finish = a.skip()
			if c.finish.end-c.finish.start > 2 && a.data[c.finish.start] == '"' {
				c.reason = finishReason(a.data[c.finish.start+1 : c.finish.end-1])
			}
		case "logprobs":
			c.logprobs = a.skip()
		default:
			a.skip()
		}
	}
}

func (a *answer) readMessage(c *choice) {
	if a.peek() != '{' {
		a.skip()
		return
	}
	a.open('{')
	c.message = a.at
	for a.next('}') {
		switch string(a.key()) {
		case "content":
			a.readContent(c)
		case "refusal":
			c.refusal = a.optionalText()
		case "reasoning_content", "reasoning":
			if t := a.optionalText(); t.start != 0 {
				c.thinking = t
			}
		case "tool_calls":
			a.readCalls(c)
		case "annotations":
			start := a.valueStart()
			c.citations = a.scanner.citations()
			c.annotations = span{start, a.at}
		default:
			a.skip()
		}
	}
}

// valueStart returns where the next value begins.
func (s *scanner) valueStart() int {
	s.peek()
	return s.at
}

// readContent reads a string, or the parts that some providers send instead.
func (a *answer) readContent(c *choice) {
	switch a.peek() {
	case '"':
		c.content = append(c.content, a.text())
	case '[':
		for a.open('['); a.next(']'); {
			if a.peek() != '{' {
				a.skip()
				continue
			}
			texts := len(c.content)
			for a.open('{'); a.next('}'); {
				if string(a.key()) == "text" && a.peek() == '"' {
					c.content = append(c.content, a.text())
					continue
				}
				a.skip()
			}
			c.opaque = c.opaque || len(c.content) == texts
		}
	default:
		a.skip()
	}
}

func (a *answer) readCalls(c *choice) {
	if a.peek() != '[' {
		a.skip()
		return
	}
	for a.open('['); a.next(']'); {
		if a.peek() != '{' {
			a.fail(errSyntax)
			return
		}
		var one call
		for a.open('{'); a.next('}'); {
			switch key := string(a.key()); {
			case key == "id":
				one.id = a.optionalText()
			case key == "function" && a.peek() == '{':
				a.readFunction(&one)
			default:
				a.skip()
			}
		}
		c.calls = append(c.calls, one)
	}
}

func (a *answer) readFunction(one *call) {
	for a.open('{'); a.next('}'); {
		switch string(a.key()) {
		case "name":
			one.name = a.optionalText()
		case "arguments":
			one.arguments = a.optionalText()
		default:
			a.skip()
		}
	}
}

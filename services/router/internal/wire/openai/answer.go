package openai

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// answer is where things stand in the body of a completion.
type answer struct {
	scanner
	id, model jsonscan.Token
	created   int64
	choices   []choice
	usage     *llmv1.Usage
	sources   webSources
	failure   error
	seen      bool // choices were there
}

// choice is one candidate. Its texts stand in the order of the canonical
// parts: thinking, content, refusal, calls.
type choice struct {
	index       int32
	message     int // behind the message's opening brace; 0 if there is none
	thinking    group
	copies      []jsonscan.Token // of the thinking as a whole
	content     []jsonscan.Token
	refusal     jsonscan.Token
	calls       []call
	stop        jsonscan.Token
	citations   []*llmv1.Citation
	sources     []*llmv1.Citation // of the answer as a whole
	annotations jsonscan.Span
	logprobs    jsonscan.Span
	finish      jsonscan.Span
	reason      llmv1.FinishReason
	paused      bool
	// opaque is set if there is content that has no text of its own place, so
	// that the body cannot be passed on.
	opaque bool
}

type call struct{ id, name, arguments, signature jsonscan.Token }

// texts lists the candidate's texts.
func (c *choice) texts() []jsonscan.Token {
	out := make([]jsonscan.Token, 0, len(c.content)+len(c.calls)+2)
	out = append(out, c.thinking.texts...)
	out = append(out, c.content...)
	if c.refusal.Start != 0 {
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
		case "created":
			a.created, _ = a.Integer()
		case "choices":
			a.seen = true
			a.readChoices()
		case "usage":
			a.usage = a.scanner.usage()
		case "citations":
			a.sources.urls = a.Skip()
		case "search_results":
			a.sources.results = a.Skip()
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
	if !a.seen || len(a.choices) == 0 {
		return nil, refusal.Unreadable(errNoChoices)
	}
	return a, nil
}

func (a *answer) readChoices() {
	if a.Peek() != '[' {
		a.Skip()
		return
	}
	for a.Open('['); a.Next(']'); {
		if a.Peek() != '{' {
			a.Fail(jsonscan.ErrSyntax)
			return
		}
		c := choice{index: int32(len(a.choices))} // bounded by the body
		a.readChoice(&c)
		if c.paused && c.reason == llmv1.FinishReason_FINISH_REASON_LENGTH {
			c.reason = llmv1.FinishReason_FINISH_REASON_PAUSE
		}
		a.choices = append(a.choices, c)
	}
}

func (a *answer) readChoice(c *choice) {
	for a.Open('{'); a.Next('}'); {
		switch string(a.Key()) {
		case "index":
			if n, ok := a.Integer(); ok && n >= 0 && n < maxCandidates {
				c.index = int32(n) // bounded above
			}
		case "message":
			a.readMessage(c)
		case "finish_reason":
			c.finish = a.Skip()
			if c.finish.End-c.finish.Start > 2 && a.Data[c.finish.Start] == '"' {
				c.reason = finishReason(a.Data[c.finish.Start+1 : c.finish.End-1])
			}
		case "logprobs":
			c.logprobs = a.Skip()
		case "stop_reason":
			c.stop = a.OptionalText()
		case "native_finish_reason":
			c.paused = paused(a.Inner(a.OptionalText()))
		default:
			a.Skip()
		}
	}
}

func (a *answer) readMessage(c *choice) {
	if a.Peek() != '{' {
		a.Skip()
		return
	}
	var plain []jsonscan.Token
	var details []detail
	a.Open('{')
	c.message = a.At
	for a.Next('}') {
		switch string(a.Key()) {
		case "content":
			a.readContent(c)
		case "refusal":
			c.refusal = a.OptionalText()
		case "reasoning_content", "reasoning":
			if t := a.OptionalText(); t.Start != 0 {
				plain = append(plain, t)
			}
		case "reasoning_details":
			details = a.reasoningDetails(details)
		case "tool_calls":
			a.readCalls(c)
		case "annotations":
			start := a.ValueStart()
			c.citations = a.scanner.citations()
			c.annotations = jsonscan.Span{Start: start, End: a.At}
		default:
			a.Skip()
		}
	}
	c.thinking, c.copies = a.scanner.thinking(plain, details)
}

// readContent reads a string, or the parts that some providers send instead.
func (a *answer) readContent(c *choice) {
	switch a.Peek() {
	case '"':
		c.content = append(c.content, a.Text())
	case '[':
		for a.Open('['); a.Next(']'); {
			if a.Peek() != '{' {
				a.Skip()
				continue
			}
			texts := len(c.content)
			for a.Open('{'); a.Next('}'); {
				if string(a.Key()) == "text" && a.Peek() == '"' {
					c.content = append(c.content, a.Text())
					continue
				}
				a.Skip()
			}
			c.opaque = c.opaque || len(c.content) == texts
		}
	default:
		a.Skip()
	}
}

func (a *answer) readCalls(c *choice) {
	if a.Peek() != '[' {
		a.Skip()
		return
	}
	for a.Open('['); a.Next(']'); {
		if a.Peek() != '{' {
			a.Fail(jsonscan.ErrSyntax)
			return
		}
		var one call
		for a.Open('{'); a.Next('}'); {
			switch key := string(a.Key()); {
			case key == "id":
				one.id = a.OptionalText()
			case key == "function" && a.Peek() == '{':
				a.readFunction(&one)
			case key == "extra_content":
				one.signature = a.callSignature()
			default:
				a.Skip()
			}
		}
		c.calls = append(c.calls, one)
	}
}

func (a *answer) readFunction(one *call) {
	for a.Open('{'); a.Next('}'); {
		switch string(a.Key()) {
		case "name":
			one.name = a.OptionalText()
		case "arguments":
			one.arguments = a.OptionalText()
		default:
			a.Skip()
		}
	}
}

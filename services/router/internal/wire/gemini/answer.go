package gemini

import (
	"errors"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

var (
	errNoCandidates = errors.New("has no candidates")
	errPieces       = errors.New("holds a call in pieces that was not asked for")
)

// answer is where things stand in the body of an answer.
type answer struct {
	scanner
	id, model jsonscan.Token
	choices   []choice
	usage     *llmv1.Usage
	failure   error
	blocked   jsonscan.Token // why the prompt was
}

// choice is one candidate.
type choice struct {
	index     int32
	open      int // behind the opening brace
	parts     []answerPart
	citations []*llmv1.Citation
	grounding grounding
	logprobs  jsonscan.Span
	finish    jsonscan.Span
	reason    llmv1.FinishReason
}

// scanAnswer reads the body of an answer, strictly as to JSON and leniently as
// to members.
func scanAnswer(raw []byte) (*answer, error) {
	a := &answer{scanner: newScanner(raw)}
	if a.Peek() != '{' {
		return nil, refusal.Unreadable(jsonscan.ErrSyntax)
	}
	for a.Open('{'); a.Next('}'); {
		switch string(a.Key()) {
		case "responseId":
			a.id = a.OptionalText()
		case "modelVersion":
			a.model = a.OptionalText()
		case "candidates":
			a.elements(a.readChoice)
		case "usageMetadata":
			u := &llmv1.Usage{}
			if a.readUsage(u) {
				a.usage = u
			}
		case "promptFeedback":
			a.blocked = a.blockReason()
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
	if len(a.choices) == 0 {
		if a.blocked.Start != 0 {
			return nil, blockedPrompt(a.Value(a.blocked))
		}
		return nil, refusal.Unreadable(errNoCandidates)
	}
	return a, nil
}

// blockReason reads why a prompt was blocked, if it was.
func (s *scanner) blockReason() (reason jsonscan.Token) {
	s.members(func(name []byte) {
		if string(name) == "blockReason" {
			reason = s.OptionalText()
			return
		}
		s.Skip()
	})
	if string(s.Inner(reason)) == "BLOCK_REASON_UNSPECIFIED" {
		return jsonscan.Token{}
	}
	return reason
}

// blockedPrompt is the error of a prompt that the provider's filter stopped.
func blockedPrompt(reason string) error {
	return refusal.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED, refusal.Detail{Status: 200, Code: reason})
}

// brokenAnswer is the error of an answer that ended because the model wrote a
// call that makes no sense: what there is of it is no answer.
func brokenAnswer(reason string) error {
	return errs.From(refusal.Unreadable(errors.New("the answer ended with " + refusal.Printable(reason))))
}

func (a *answer) readChoice() {
	c := choice{index: int32(len(a.choices))} // bounded by the body
	a.Open('{')
	c.open = a.At
	for a.Next('}') {
		switch string(a.Key()) {
		case "index":
			if n, ok := a.Integer(); ok && n >= 0 && n < maxCandidates {
				c.index = int32(n) // bounded above
			}
		case "content":
			a.readContent(&c)
		case "finishReason":
			a.readFinish(&c)
		case "groundingMetadata":
			c.citations = append(c.citations, a.readGrounding(&c.grounding)...)
		case "citationMetadata":
			c.citations = append(c.citations, a.readCitations()...)
		case "logprobsResult":
			c.logprobs = a.Skip()
		default:
			a.Skip()
		}
	}
	if c.reason == llmv1.FinishReason_FINISH_REASON_STOP && c.calls() {
		c.reason = llmv1.FinishReason_FINISH_REASON_TOOL_CALLS
	}
	a.choices = append(a.choices, c)
}

func (c *choice) calls() bool {
	for i := range c.parts {
		if c.parts[i].kind == partCall {
			return true
		}
	}
	return false
}

func (a *answer) readFinish(c *choice) {
	start := a.ValueStart()
	t := a.OptionalText()
	c.finish = jsonscan.Span{Start: start, End: a.At}
	reason, broken := finishReason(a.Inner(t))
	c.reason = reason
	if broken && a.failure == nil {
		a.failure = brokenAnswer(string(a.Inner(t)))
	}
}

func (a *answer) readContent(c *choice) {
	a.members(func(name []byte) {
		if string(name) != "parts" {
			a.Skip()
			return
		}
		a.elements(func() {
			var p answerPart
			a.readPart(&p)
			if p.unreadable {
				a.Fail(errPieces)
			}
			if p.kind != partNone {
				c.parts = append(c.parts, p)
			}
		})
	})
}

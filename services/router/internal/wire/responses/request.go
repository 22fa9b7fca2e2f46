package responses

import (
	"errors"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// Bounds of a request: those of the canonical form.
const (
	maxMessages  = 4096
	maxItems     = 8192
	maxParts     = 1024
	maxTools     = 512
	maxMetadata  = 32
	maxModel     = 256
	maxCitations = 1024
)

// Request is a request as the client wrote it.
type Request struct {
	// Previous is the response that the conversation goes on from; empty for none.
	Previous string
	// Instructions are the client's for this turn; they are not kept.
	Instructions string
	// Store says whether the response is kept.
	Store bool
	// References are items of earlier responses that the input names; each
	// message index says before which of the input's messages it belongs.
	References []Reference

	stream      bool
	echo        map[string]string
	unexpressed []string
}

// Reference names an item of an earlier response.
type Reference struct {
	// ID is the item's.
	ID string
	// Before is the index of the input's message that it stands before.
	Before int
}

var _ provider.NativeRequest = (*Request)(nil)

// Dialect implements provider.NativeRequest.
func (r *Request) Dialect() string { return Dialect }

// Unexpressed implements provider.NativeRequest.
func (r *Request) Unexpressed() []string { return r.unexpressed }

// Stream says whether the client wants the answer while it is written.
func (r *Request) Stream() bool { return r.stream }

var errNotPassedOn = errors.New("a request of the Responses API is not passed on")

// Render implements provider.NativeRequest. No target is asked in this format.
func (r *Request) Render(*provider.Request, bool) ([]byte, error) {
	return nil, errs.Internal(errNotPassedOn)
}

// parser reads a request into its canonical form.
type parser struct {
	jsonscan.Scanner
	req  *Request
	conv *llmv1.Conversation
	// listed counts the tools, of whatever type.
	listed int
	// signatures are those of calls, by their ids.
	signatures map[string]string
}

var requestNames = jsonscan.Names{
	"model", "input", "instructions", "stream", "store", "previous_response_id", "tools", "tool_choice", "parallel_tool_calls",
	"text", "reasoning", "max_output_tokens", "temperature", "top_p", "metadata", "user", "include", "truncation",
	"background", "conversation", "prompt", "stream_options",
}

// echoed are the members that a response repeats as they came.
var echoed = map[string]bool{
	"instructions": true, "tools": true, "tool_choice": true, "parallel_tool_calls": true, "text": true, "reasoning": true,
	"max_output_tokens": true, "temperature": true, "top_p": true, "metadata": true, "user": true, "truncation": true,
	"previous_response_id": true,
}

// ParseRequest reads the body of a request. The conversation holds the input
// without instructions and history; it shares memory with raw, which must not
// change afterwards.
func ParseRequest(raw []byte) (*Request, *llmv1.Conversation, error) {
	if !utf8.Valid(raw) {
		return nil, nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{
		Scanner: jsonscan.Scanner{Data: raw}, req: &Request{Store: true, echo: make(map[string]string)}, conv: &llmv1.Conversation{},
	}
	if p.Peek() != '{' {
		return nil, nil, malformed("the body is not a JSON object")
	}
	err := p.object(nil, requestNames, func(name string, at *jsonscan.Path) error {
		start := p.ValueStart()
		err := p.member(name, at)
		if err == nil && p.Err == nil && echoed[name] {
			p.req.echo[name] = jsonscan.Alias(raw[start:p.At])
		}
		return err
	})
	if err != nil && p.Err == nil {
		return nil, nil, err
	}
	if fault := p.Finish(); fault != nil {
		return nil, nil, malformed("the body " + fault.Error())
	}
	if err := p.complete(); err != nil {
		return nil, nil, err
	}
	return p.req, p.conv, nil
}

func malformed(text string) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "%s", text)
}

// object reads the members of an object that are known; a null is the absence
// of its member. The others are noted if they say anything.
func (p *parser) object(at *jsonscan.Path, known jsonscan.Names, member func(name string, at *jsonscan.Path) error) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := known.Find(key, &seen, at)
		switch {
		case err != nil:
		case name == "":
			value := p.Skip()
			if p.Err == nil && openai.Says(key, p.Data[value.Start:value.End]) {
				p.unexpressed(&jsonscan.Path{Parent: at, Name: openai.MemberName(key)})
			}
		case p.Null():
		default:
			err = member(name, &jsonscan.Path{Parent: at, Name: name})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list reads the elements of an array.
func (p *parser) list(at *jsonscan.Path, most int, element func(at *jsonscan.Path) error) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	i := 0
	for p.Open('['); p.Next(']'); i++ {
		if i == most {
			return at.Invalid("must not have more than %d elements", most)
		}
		if err := element(&jsonscan.Path{Parent: at, Index: i}); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) unexpressed(at *jsonscan.Path) {
	if len(p.req.unexpressed) < openai.MaxUnexpressed {
		p.req.unexpressed = append(p.req.unexpressed, at.String())
	}
}

func (p *parser) text(dst *string, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Value(p.Text())
	return nil
}

func (p *parser) flag(dst *bool, at *jsonscan.Path) error {
	value, ok := p.Boolean()
	if !ok {
		return at.Invalid("must be true or false")
	}
	*dst = value
	return nil
}

func (p *parser) member(name string, at *jsonscan.Path) error {
	switch name {
	case "model":
		return p.text(&p.conv.Model, at)
	case "input":
		return p.input(at)
	case "instructions":
		return p.text(&p.req.Instructions, at)
	case "stream":
		return p.flag(&p.req.stream, at)
	case "store":
		return p.flag(&p.req.Store, at)
	case "previous_response_id":
		return p.text(&p.req.Previous, at)
	case "tools":
		return p.list(at, maxTools, p.tool)
	case "user":
		return p.text(&p.conv.EndUser, at)
	case "background":
		var background bool
		if err := p.flag(&background, at); err != nil || !background {
			return err
		}
		return at.Unsupported("is not supported; responses are answered while the client waits")
	case "conversation":
		return at.Unsupported("is kept nowhere here; send previous_response_id")
	case "prompt":
		return at.Unsupported("names a template that is kept elsewhere; send its text")
	case "stream_options": // padding only
		p.Skip()
		return nil
	default:
		return p.option(name, at)
	}
}

// complete checks what only the whole body shows.
func (p *parser) complete() error {
	if n := len(p.conv.GetModel()); n == 0 || n > maxModel {
		return (&jsonscan.Path{Name: "model"}).Invalid("must have 1 to %d characters", maxModel)
	}
	if len(p.conv.GetMessages())+len(p.req.References) == 0 {
		return (&jsonscan.Path{Name: "input"}).Invalid("must not be empty")
	}
	mode := p.conv.GetToolChoice().GetMode()
	if p.listed == 0 && (mode == llmv1.ToolChoice_MODE_REQUIRED || mode == llmv1.ToolChoice_MODE_NAMED) {
		return (&jsonscan.Path{Name: "tool_choice"}).Invalid("needs tools")
	}
	p.sign()
	return nil
}

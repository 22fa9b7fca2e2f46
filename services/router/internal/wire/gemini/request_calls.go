package gemini

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// callBook knows the calls of the history that results may answer.
type callBook struct {
	count    int
	answered map[string]bool     // by id
	waiting  map[string][]string // ids by the name of the tool
}

// called gives a call without an id one. It says where in the conversation the
// call stands, so that the same conversation always has the same ids.
func (b *callBook) called(c *llmv1.ToolCall) {
	if b.answered == nil {
		b.answered, b.waiting = make(map[string]bool), make(map[string][]string)
	}
	if c.GetId() == "" {
		c.Id = idPrefix + strconv.Itoa(b.count)
	}
	b.count++
	b.answered[c.GetId()] = false
	b.waiting[c.GetName()] = append(b.waiting[c.GetName()], c.GetId())
}

// answer finds the call that a result answers: the one with its id, else the
// first of its name that has no answer yet. Until then the result's id holds
// its name too.
func (b *callBook) answer(r *llmv1.ToolResult) {
	id, name, _ := cutName(r.GetToolCallId())
	if _, known := b.answered[id]; !known {
		if id == "" {
			id = idPrefix + name
		}
		for queue := b.waiting[name]; len(queue) > 0; {
			first := queue[0]
			queue = queue[1:]
			b.waiting[name] = queue
			if !b.answered[first] {
				id = first
				break
			}
		}
	}
	if b.answered != nil {
		b.answered[id] = true
	}
	r.ToolCallId = id
}

var callNames = jsonscan.Names{"id", "name", "args", "partialArgs"}

func (p *parser) functionCall(one *partRead, at *jsonscan.Path) error {
	call := &llmv1.ToolCall{Arguments: "{}"}
	one.texts = []place{{kind: placeNone}}
	err := p.object(at, callNames, nil, func(name string, in *jsonscan.Path) error {
		switch name {
		case "id":
			return p.stringMember(&call.Id, in)
		case "name":
			return p.stringMember(&call.Name, in)
		case "partialArgs":
			return in.Unsupported("cannot be sent back; send args")
		}
		if p.Peek() != '{' {
			return in.Invalid("must be an object")
		}
		sp := p.Skip()
		call.Arguments = jsonscan.Alias(p.Data[sp.Start:sp.End])
		one.texts[0] = place{Span: sp, kind: placeObject}
		return nil
	})
	if err != nil || p.Err != nil {
		return err
	}
	if call.GetName() == "" {
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	}
	one.made = &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: call}}
	return nil
}

var responseNames = jsonscan.Names{"id", "name", "response", "parts"}

func (p *parser) functionResponse(one *partRead, at *jsonscan.Path) error {
	var id, name string
	result := &llmv1.ToolResult{}
	var texts []place
	var parts []*llmv1.Part
	err := p.object(at, responseNames, nil, func(member string, in *jsonscan.Path) (err error) {
		switch member {
		case "id":
			err = p.stringMember(&id, in)
		case "name":
			err = p.stringMember(&name, in)
		case "response":
			err = p.response(one, result, in)
		default:
			_, err = p.each(in, maxParts, func(in *jsonscan.Path) error { return p.responsePart(&parts, &texts, in) })
		}
		return err
	})
	if err != nil || p.Err != nil {
		return err
	}
	if name == "" {
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	}
	result.ToolCallId = joinName(id, name)
	result.Parts, one.texts = append(result.Parts, parts...), append(one.texts, texts...)
	one.made = &llmv1.Part{Content: &llmv1.Part_ToolResult{ToolResult: result}}
	return nil
}

var responsePartNames = jsonscan.Names{"inlineData", "fileData"}

func (p *parser) responsePart(parts *[]*llmv1.Part, texts *[]place, at *jsonscan.Path) error {
	return p.object(at, responsePartNames, nil, func(name string, in *jsonscan.Path) error {
		part, places, err := p.media(name, in)
		if part != nil {
			*parts, *texts = append(*parts, part), append(*texts, places...)
		}
		return err
	})
}

// response reads what a tool gave back. By custom a plain text stands under
// output or result, and a failure under error; anything else is JSON.
func (p *parser) response(one *partRead, result *llmv1.ToolResult, at *jsonscan.Path) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	start := p.At
	var key string
	var value jsonscan.Span
	var text jsonscan.Token
	count := 0
	for p.Open('{'); p.Next('}'); count++ {
		key = string(p.Key())
		value.Start = p.ValueStart()
		text = p.OptionalText()
		value.End = p.At
	}
	whole := jsonscan.Span{Start: start, End: p.At}
	if p.Err != nil || count == 0 {
		return nil
	}
	result.IsError = count == 1 && key == "error"
	if count == 1 && text.Start != 0 && (key == "output" || key == "result" || key == "error") {
		result.Parts = []*llmv1.Part{newText(p.Value(text))}
		one.texts = []place{{Span: text.Span}}
		return nil
	}
	result.Parts = []*llmv1.Part{newText(plainJSON(p.Data[whole.Start:whole.End]))}
	one.texts = []place{{Span: whole, kind: placeOutput}}
	return nil
}

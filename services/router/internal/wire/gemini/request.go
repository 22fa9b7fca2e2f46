package gemini

import (
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Bounds of a request: those of the canonical form.
const (
	maxMessages = 4096
	maxParts    = 1024
	maxTools    = 512
	maxStops    = 16
	maxModel    = 256
	maxBlob     = 20 << 20
)

// Request is a generateContent request as the client wrote it.
type Request struct {
	raw  []byte
	body int // behind the opening brace

	// bodyModel is the model where the body names it too.
	bodyModel jsonscan.Token
	modelName string
	texts     []place
	contents  list
	context   contextPlace
	system    systemPlace
	config    configPlace

	unexpressed []string
}

// place is where a text stands.
type place struct {
	jsonscan.Span
	kind placeKind
}

type placeKind uint8

const (
	placeText   placeKind = iota // between the quotes of a string
	placeObject                  // an object in JSON
	placeOutput                  // likewise, of a tool's result
	placeBase64                  // as base64 between the quotes of a string
	placeNone                    // nowhere: the text is not written
)

// contextPlace is where retrieved context goes: before the parts of the last
// message of the user. The value is the one that stands for a list of parts.
type contextPlace struct {
	at     int
	single bool
	end    int
	found  bool
}

// systemPlace is where instructions go.
type systemPlace struct {
	value list // of systemInstruction: absent, null, or single
	inner int  // behind its opening brace
	empty bool
	parts list
}

// configPlace is where parameters go.
type configPlace struct {
	value list
	inner int
	empty bool
	nulls map[string]jsonscan.Span
	stops jsonscan.Span // of an empty list of stop texts
}

// Dialect implements provider.NativeRequest.
func (r *Request) Dialect() string { return Dialect }

// Unexpressed implements provider.NativeRequest.
func (r *Request) Unexpressed() []string { return r.unexpressed }

// parser reads a request into its canonical form and notes where the texts stand.
type parser struct {
	scanner
	req  *Request
	conv *llmv1.Conversation
	// system is the message of the instructions, with its texts.
	system      *llmv1.Message
	systemTexts []place
	calls       callBook
	format      format
	choice      choiceRead
	paths       []jsonscan.Path
}

var requestNames = jsonscan.Names{"model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}

// ParseRequest reads the body of a request to generate content with a model,
// which the path names. What it does not know it leaves in the native request;
// what it knows it reads strictly. The conversation shares memory with raw,
// which must not change afterwards.
func ParseRequest(model string, raw []byte) (*Request, *llmv1.Conversation, error) {
	model, err := modelOf(model)
	if err != nil {
		return nil, nil, err
	}
	if !utf8.Valid(raw) {
		return nil, nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{scanner: newScanner(raw), req: &Request{raw: raw, modelName: model}, conv: &llmv1.Conversation{Model: model}}
	if p.Peek() != '{' {
		return nil, nil, malformed("the body is not a JSON object")
	}
	p.req.body = p.At + 1
	err = p.object(nil, requestNames, p.nullMember, p.member)
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

// modelOf takes the kind of resource off a model's name.
func modelOf(name string) (string, error) {
	name = strings.TrimPrefix(name, "models/")
	if len(name) == 0 || len(name) > maxModel || !utf8.ValidString(name) {
		return "", (&jsonscan.Path{Name: "model"}).Invalid("must have 1 to %d characters", maxModel)
	}
	return name, nil
}

func malformed(text string) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "%s", text)
}

func (p *parser) member(name string, at *jsonscan.Path) (err error) {
	switch name {
	case "model":
		if err = p.textMember(&p.req.bodyModel, at); err != nil || p.Err != nil {
			return err
		}
		if named, _ := modelOf(p.Value(p.req.bodyModel)); named != p.req.modelName {
			return at.Invalid("must be the model that the path names")
		}
	case "contents":
		p.req.contents, err = p.each(at, maxMessages, p.content)
	case "systemInstruction":
		err = p.instructions(at)
	case "tools":
		_, err = p.each(at, maxTools, p.tool)
	case "toolConfig":
		err = p.toolConfig(at)
	case "generationConfig":
		err = p.generationConfig(at)
	}
	return err
}

// nullMember remembers an explicit null that a rendered request must replace:
// which of two members of one name counts is anybody's guess.
func (p *parser) nullMember(name string, at jsonscan.Span) {
	null := list{Span: at, kind: listNull}
	switch name {
	case "systemInstruction":
		p.req.system.value = null
	case "generationConfig":
		p.req.config.value = null
	}
}

// complete puts together what stands in several places of the body.
func (p *parser) complete() error {
	if len(p.conv.GetMessages()) == 0 {
		return (&jsonscan.Path{Name: "contents"}).Invalid("must hold content")
	}
	if p.system != nil {
		p.conv.Messages = append([]*llmv1.Message{p.system}, p.conv.Messages...)
		p.req.texts = append(p.systemTexts, p.req.texts...)
	}
	p.setFormat()
	return p.setChoice()
}

func (p *parser) instructions(at *jsonscan.Path) error {
	place := &p.req.system
	place.value = list{kind: listSingle}
	place.value.Start = p.ValueStart()
	var pieces []piece
	if p.Peek() == '{' {
		place.inner = p.At + 1
	}
	err := p.object(at, contentNames, func(name string, at jsonscan.Span) {
		if name == "parts" {
			place.parts = list{Span: at, kind: listNull}
		}
	}, func(name string, in *jsonscan.Path) (err error) {
		if name == "role" {
			var role string
			return p.stringMember(&role, in)
		}
		place.parts, err = p.each(in, maxParts, func(in *jsonscan.Path) error { return p.part(&pieces, in) })
		return err
	})
	if err != nil || p.Err != nil {
		return err
	}
	place.value.End = p.At
	place.empty = isDefault(p.Data[place.value.Start:place.value.End])
	for _, one := range pieces {
		if one.part.GetText() == nil {
			return (&jsonscan.Path{Parent: at, Name: "parts"}).Unsupported("may only hold texts")
		}
		if p.system == nil {
			p.system = &llmv1.Message{Role: llmv1.Role_ROLE_SYSTEM}
		}
		p.system.Parts = append(p.system.Parts, one.part)
		p.systemTexts = append(p.systemTexts, one.texts...)
	}
	return nil
}

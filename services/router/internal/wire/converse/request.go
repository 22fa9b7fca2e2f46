package converse

import (
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Bounds of a request: those of the canonical form.
const (
	maxMessages = 4096
	maxBlocks   = 1024
	maxTools    = 512
	maxStops    = 16
	maxMetadata = 32
	maxLabel    = 256
)

// Request is a request as the client wrote it. Model and streaming are not in
// its body but in its path.
type Request struct {
	raw   []byte
	body  int // behind the opening brace
	texts []place
	// system and inference are where the instructions and the parameters of
	// sampling stand; model's own parameters are in fields.
	system, inference, fields container
	// set are the names of the parameters that the client has set, by their
	// own names; nulls those that it has written as null.
	set         []string
	nulls       []nulled
	context     contextPlace
	marks       marks
	unexpressed []string
}

// container is an object or array, if there is one.
type container struct {
	at     int // behind the opening bracket; 0 if it is missing
	filled bool
}

// nulled is a member, by its path, whose value is null: a rendered request must replace it,
// for which of two members of one name counts is anybody's guess.
type nulled struct {
	path string
	jsonscan.Span
}

// place is where a text stands, and how it is written there.
type place struct {
	jsonscan.Span
	kind placeKind
	// member is where the name of the member begins, if that must change with
	// the value.
	member int
}

type placeKind uint8

const (
	// nowhere: a part that has a text in the canonical form and none here.
	nowhere placeKind = iota
	// quoted: between the quotes of a string.
	quoted
	// input: a tool's input, as JSON.
	input
	// encoded: between the quotes of a string, as base64.
	encoded
	// result: a tool's result, as JSON or, if it is none, as a text.
	result
)

// contextPlace is where retrieved context goes: before what the last user
// message says, but behind the tool results in it, which must come first; or
// behind the last message, if no user speaks.
type contextPlace struct {
	at   int
	kind contextKind
}

type contextKind uint8

const (
	noContext    contextKind = iota
	beforeBlock              // before the block at at
	behindBlocks             // behind the last block of the message
	onlyBlock                // in an empty message
	ownMessage               // behind the last message
)

// Dialect implements provider.NativeRequest.
func (r *Request) Dialect() string { return Dialect }

// Unexpressed implements provider.NativeRequest.
func (r *Request) Unexpressed() []string { return r.unexpressed }

// group is a list of parts with the texts in them, in the same order.
type group struct {
	parts []*llmv1.Part
	texts []place
}

func (g *group) add(part *llmv1.Part, texts ...place) {
	g.parts = append(g.parts, part)
	g.texts = append(g.texts, texts...)
}

// parser reads a request into its canonical form and notes where the texts stand.
type parser struct {
	jsonscan.Scanner
	req    *Request
	conv   *llmv1.Conversation
	system group
	texts  []place // of the messages
	// cached is a cache point behind the tools.
	cached *llmv1.Part
	// kind is that of the block that was read last.
	kind string
	// said is where what the messages have said so far can be marked, leading where
	// the instructions at their beginning can.
	said, leading spot
}

var requestNames = jsonscan.Names{
	"messages", "system", "inferenceConfig", "toolConfig", "additionalModelRequestFields", "outputConfig", "requestMetadata",
}

// ParseRequest reads the body of a request for a model. What it does not know
// it leaves in the native request; what it knows it reads strictly. The
// conversation shares memory with raw, which must not change afterwards.
func ParseRequest(raw []byte, model string) (*Request, *llmv1.Conversation, error) {
	if !utf8.Valid(raw) {
		return nil, nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{Scanner: jsonscan.Scanner{Data: raw}, req: &Request{raw: raw}, conv: &llmv1.Conversation{Model: model}}
	err := p.request()
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

func (p *parser) request() error {
	if p.Peek() != '{' {
		return malformed("the body is not a JSON object")
	}
	p.req.body = p.At + 1
	return p.object(requestNames, nil, p.member)
}

func (p *parser) member(name string, at *jsonscan.Path) error {
	switch name {
	case "messages":
		return p.messages(at)
	case "system":
		return p.systemBlocks(at)
	case "inferenceConfig":
		return p.inferenceConfig(at)
	case "toolConfig":
		return p.toolConfig(at)
	case "additionalModelRequestFields":
		return p.modelFields(at)
	case "outputConfig":
		return p.outputConfig(at)
	default:
		return p.metadata(at)
	}
}

// object reads the members of an object that are known and not null.
func (p *parser) object(known jsonscan.Names, at *jsonscan.Path, read func(name string, in *jsonscan.Path) error) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := known.Find(key, &seen, at)
		switch {
		case err != nil:
			return err
		case p.Err != nil:
			return nil
		case name == "":
			p.unknown(key, at)
		case p.Null():
			if at == nil || at.Parent == nil {
				in := jsonscan.Path{Parent: at, Name: name}
				p.req.nulls = append(p.req.nulls, nulled{in.String(), jsonscan.Span{Start: p.At - len("null"), End: p.At}})
			}
		default:
			if err := read(name, &jsonscan.Path{Parent: at, Name: name}); err != nil {
				return err
			}
		}
	}
	return nil
}

// list reads the elements of an array, most at most.
func (p *parser) list(most int, at *jsonscan.Path, read func(in *jsonscan.Path) error) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	n := 0
	for p.Open('['); p.Next(']'); n++ {
		if n == most {
			return at.Invalid("must not have more than %d elements", most)
		}
		if err := read(&jsonscan.Path{Parent: at, Index: n}); err != nil {
			return err
		}
	}
	return nil
}

// text reads a string.
func (p *parser) text(dst *string, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Value(p.Text())
	return nil
}

// complete puts the instructions before the messages and checks what only the
// whole body shows.
func (p *parser) complete() error {
	if len(p.conv.GetMessages()) == 0 {
		return (&jsonscan.Path{Name: "messages"}).Invalid("must not be empty")
	}
	if len(p.system.parts) > 0 {
		instructions := &llmv1.Message{Role: llmv1.Role_ROLE_SYSTEM, Parts: p.system.parts}
		p.conv.Messages = append([]*llmv1.Message{instructions}, p.conv.GetMessages()...)
	}
	p.req.texts = append(p.system.texts, p.texts...)
	p.req.marks.system = p.leading.over(p.req.marks.system)
	if p.cached != nil { // tools come before everything that is said
		first := p.conv.GetMessages()[0]
		first.Parts = append([]*llmv1.Part{p.cached}, first.GetParts()...)
	}
	return nil
}

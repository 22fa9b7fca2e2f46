package anthropic

import (
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// Bounds of a request: those of the canonical form.
const (
	maxMessages    = 4096
	maxParts       = 1024
	maxTools       = 512
	maxStops       = 16
	maxModel       = 256
	maxUnexpressed = 64
)

// Request is a request for a message as the client wrote it.
type Request struct {
	raw  []byte
	body int // behind the opening brace
	// invoke is set if it came as a body of Bedrock's InvokeModel.
	invoke bool

	model     jsonscan.Token
	modelName string
	stream    flag
	system    systemPlace
	// nulls are the explicit nulls of members that defaults may set: which of two
	// members of one name counts is anybody's guess.
	nulls       map[string]jsonscan.Span
	texts       []text
	context     contextPlace
	unsigned    []jsonscan.Span // thinking that no provider of the format takes
	marks       marks
	unexpressed []string
	betas       []string
}

// text is where one text of the conversation stands.
type text struct {
	jsonscan.Token
	// object is set if it is a JSON object, not the inside of a string.
	object bool
}

// flag is a boolean member and where its value stands.
type flag struct {
	jsonscan.Span
	present, value bool
}

// Dialect implements provider.NativeRequest.
func (r *Request) Dialect() string { return Dialect }

// Unexpressed implements provider.NativeRequest.
func (r *Request) Unexpressed() []string { return r.unexpressed }

// Stream says whether the client wants the answer while it is written.
func (r *Request) Stream() bool { return r.stream.value }

// WithBetas notes which features the client has asked for in the header
// anthropic-beta; a target of the same format is asked for them too.
func (r *Request) WithBetas(betas []string) { r.betas = append(r.betas, betas...) }

// Betas are the features that the client has asked for.
func (r *Request) Betas() []string { return r.betas }

// purpose is what a body is for.
type purpose uint8

const (
	forMessage purpose = iota
	forCount           // count_tokens: nothing is written, so nothing bounds it
	forInvoke          // InvokeModel: model and stream stand in the address
)

// parser reads a request into its canonical form and notes where the texts stand.
type parser struct {
	jsonscan.Scanner
	req     *Request
	conv    *llmv1.Conversation
	purpose purpose
	// instructions are those of the member system, which may come last.
	instructions group
	// written counts messages as the client wrote them, tools likewise.
	written, tools int
	thinking       thinking
	// cache is the mark for the end of the request, toolCache that behind the tools.
	cache, toolCache *llmv1.Part
	// said is where what the messages have said so far can be marked, leading where
	// the instructions at their beginning can.
	said, leading spot
	// nulled is where the last mark ended that is written as null.
	nulled  int
	haveMax bool
}

// ParseRequest reads the body of a request for a message. What it does not
// know it leaves in the native request; what it knows it reads strictly.
// The conversation shares memory with raw, which must not change afterwards.
func ParseRequest(raw []byte) (*Request, *llmv1.Conversation, error) {
	return parse(raw, forMessage)
}

// ParseCount reads the body of a request to count tokens.
func ParseCount(raw []byte) (*Request, *llmv1.Conversation, error) {
	return parse(raw, forCount)
}

// ParseInvoke reads the body of Bedrock's InvokeModel, or of its streaming
// form, for a model that stands in the address.
func ParseInvoke(raw []byte, model string, stream bool) (*Request, *llmv1.Conversation, error) {
	r, c, err := parse(raw, forInvoke)
	if err != nil {
		return nil, nil, err
	}
	// Two of one kind could be read as one by us and as the other elsewhere.
	switch n := len(model); {
	case n == 0 || n > maxModel:
		return nil, nil, (&jsonscan.Path{Name: "modelId"}).Invalid("must have 1 to %d characters", maxModel)
	case r.model.Start != 0:
		return nil, nil, (&jsonscan.Path{Name: "model"}).Invalid("stands in the address")
	case r.stream.present:
		return nil, nil, (&jsonscan.Path{Name: "stream"}).Invalid("stands in the address")
	}
	r.stream.value = stream
	c.Model, r.modelName = model, model
	return r, c, nil
}

func parse(raw []byte, purpose purpose) (*Request, *llmv1.Conversation, error) {
	if !utf8.Valid(raw) {
		return nil, nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{
		Scanner: jsonscan.Scanner{Data: raw}, purpose: purpose,
		req: &Request{raw: raw, invoke: purpose == forInvoke}, conv: &llmv1.Conversation{},
	}
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
	var seen uint64
	p.Open('{')
	p.req.body = p.At
	for p.Next('}') {
		key := p.Key()
		name, err := requestNames.Find(key, &seen, nil)
		if err != nil {
			return err
		}
		if name == "" {
			p.unknown(nil, key)
			continue
		}
		if err := p.member(name, &jsonscan.Path{Name: name}); err != nil {
			return err
		}
	}
	return nil
}

// unknown skips a member that the canonical form does not carry, and notes it
// unless it says nothing.
func (p *parser) unknown(at *jsonscan.Path, key []byte) {
	if p.Null() {
		return
	}
	name := refusal.Printable(string(key))
	p.Skip()
	p.unexpressed(&jsonscan.Path{Parent: at, Name: name})
}

// unexpressed notes what the canonical form does not carry. What is beyond the
// bound is not named, but it is there.
func (p *parser) unexpressed(at *jsonscan.Path) {
	switch n := len(p.req.unexpressed); {
	case n < maxUnexpressed:
		p.req.unexpressed = append(p.req.unexpressed, at.String())
	case n == maxUnexpressed:
		p.req.unexpressed = append(p.req.unexpressed, "...")
	}
}

// complete checks what only the whole body shows, and puts the instructions
// first, wherever they stood.
func (p *parser) complete() error {
	switch choice := p.conv.GetToolChoice(); {
	case p.req.model.Start == 0 && p.purpose != forInvoke:
		return (&jsonscan.Path{Name: "model"}).Invalid("is required")
	case p.written == 0:
		return (&jsonscan.Path{Name: "messages"}).Invalid("must not be empty")
	case !p.haveMax && p.purpose != forCount:
		return (&jsonscan.Path{Name: "max_tokens"}).Invalid("is required")
	case choice.GetMode() > llmv1.ToolChoice_MODE_NONE && p.tools == 0:
		return (&jsonscan.Path{Name: "tool_choice"}).Invalid("needs tools")
	}
	if len(p.instructions.parts) > 0 {
		p.conv.Messages = append([]*llmv1.Message{
			{Role: llmv1.Role_ROLE_SYSTEM, Parts: p.instructions.parts},
		}, p.conv.GetMessages()...)
		p.req.texts = append(p.instructions.texts, p.req.texts...)
	}
	if p.leading.kind != noSpot {
		p.req.marks.system = p.leading
	}
	p.setReasoning()
	p.setCachePoints()
	return nil
}

// setCachePoints places the marks that stand beside the messages: one for the
// whole request goes behind its last part; one on the tools holds for what
// follows them too if there is no other.
func (p *parser) setCachePoints() {
	messages := p.conv.GetMessages()
	if p.toolCache != nil && !marked(messages) && p.cache == nil {
		if len(p.instructions.parts) > 0 {
			messages[0].Parts = append(messages[0].Parts, p.toolCache)
		} else {
			p.unexpressed(&jsonscan.Path{Name: "cache_control"})
		}
	}
	if p.cache == nil || len(messages) == 0 {
		return
	}
	last := messages[len(messages)-1]
	if n := len(last.GetParts()); n > 0 && last.GetParts()[n-1].GetCachePoint() == nil {
		last.Parts = append(last.Parts, p.cache)
	}
}

func marked(messages []*llmv1.Message) bool {
	for _, m := range messages {
		for _, part := range m.GetParts() {
			if part.GetCachePoint() != nil {
				return true
			}
		}
	}
	return false
}

func (p *parser) stringMember(dst *string, at *jsonscan.Path) error {
	var t jsonscan.Token
	if err := p.textMember(&t, at); err != nil {
		return err
	}
	*dst = p.Value(t)
	return nil
}

func (p *parser) textMember(dst *jsonscan.Token, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Text()
	return nil
}

func (p *parser) flag(f *flag, at *jsonscan.Path) error {
	value, ok := false, false
	f.Start = p.ValueStart()
	if value, ok = p.Boolean(); !ok {
		return at.Invalid("must be true or false")
	}
	f.End, f.present, f.value = p.At, true, value
	return nil
}

package openai

import (
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Bounds of a request: those of the canonical form.
const (
	maxMessages = 4096
	maxParts    = 1024
	maxTools    = 512
	maxStops    = 16
	maxMetadata = 32
	maxModel    = 256
)

// Request is a chat completion request as the client wrote it.
type Request struct {
	raw  []byte
	body int // behind the opening brace

	model         token
	modelName     string
	stream        flag
	streamOptions struct {
		flag         // span is the value's; set if it is an object
		includeUsage flag
	}
	optionsNull flag
	texts       []token
	context     contextPlace
}

// flag is a boolean member and where its value stands.
type flag struct {
	span
	present, value bool
}

// Dialect implements provider.NativeRequest.
func (r *Request) Dialect() string { return Dialect }

// Stream says whether the client wants the answer while it is written.
func (r *Request) Stream() bool { return r.stream.value }

// IncludeUsage says whether the client wants the tokens counted at the end of a stream.
func (r *Request) IncludeUsage() bool { return r.streamOptions.includeUsage.value }

// parser reads a request into its canonical form and notes where the texts stand.
type parser struct {
	scanner
	req          *Request
	conv         *llmv1.Conversation
	oldMaxTokens int64
}

var requestNames = names{
	"model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
	"response_format", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "n", "stop",
	"seed", "presence_penalty", "frequency_penalty", "reasoning_effort", "metadata", "user", "modalities",
	"functions", "function_call", "prompt",
}

// ParseRequest reads the body of a chat completion request. What it does not
// know it leaves in the native request; what it knows it reads strictly.
// The conversation shares memory with raw, which must not change afterwards.
func ParseRequest(raw []byte) (*Request, *llmv1.Conversation, error) {
	if !utf8.Valid(raw) {
		return nil, nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{scanner: scanner{data: raw}, req: &Request{raw: raw}, conv: &llmv1.Conversation{}}
	err := p.request()
	if err != nil && p.err == nil {
		return nil, nil, err
	}
	if fault := p.finish(); fault != nil {
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
	if p.peek() != '{' {
		return malformed("the body is not a JSON object")
	}
	var seen uint64
	p.open('{')
	p.req.body = p.at
	for p.next('}') {
		name, err := requestNames.find(p.key(), &seen, nil)
		if err != nil {
			return err
		}
		if err := p.member(name, &path{name: name}); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) member(name string, at *path) error {
	if name != "messages" && name != "model" && p.null() {
		p.noteNull(name)
		return nil
	}
	switch name {
	case "":
		p.skip()
		return nil
	case "model":
		return p.modelMember(at)
	case "messages":
		return p.messages(at)
	case "stream":
		return p.flag(&p.req.stream, at)
	case "stream_options":
		return p.streamOptions(at)
	case "tools":
		return p.tools(at)
	case "tool_choice":
		return p.toolChoice(at)
	case "parallel_tool_calls":
		return p.parallel(at)
	case "response_format":
		return p.responseFormat(at)
	case "reasoning_effort":
		return p.effort(at)
	case "metadata":
		return p.metadata(at)
	case "user":
		return p.stringMember(&p.conv.EndUser, at)
	case "modalities":
		return p.modalities(at)
	case "functions", "function_call":
		return at.unsupported("is the old form of tools; send tools and tool_choice")
	case "prompt":
		return at.unsupported("belongs to the completions API; send messages")
	default:
		return p.samplingMember(name, at)
	}
}

func (p *parser) modelMember(at *path) error {
	if p.peek() != '"' {
		return at.invalid("must be a string")
	}
	p.req.model = p.text()
	p.conv.Model = p.value(p.req.model)
	p.req.modelName = p.conv.GetModel()
	if n := len(p.conv.GetModel()); p.err == nil && (n == 0 || n > maxModel) {
		return at.invalid("must have 1 to %d characters", maxModel)
	}
	return nil
}

// complete checks what only the whole body shows.
func (p *parser) complete() error {
	if p.req.model.start == 0 {
		return (&path{name: "model"}).invalid("is required")
	}
	if len(p.conv.GetMessages()) == 0 {
		return (&path{name: "messages"}).invalid("must not be empty")
	}
	if p.oldMaxTokens > 0 && p.conv.GetSampling().MaxOutputTokens == nil {
		p.sampling().MaxOutputTokens = &p.oldMaxTokens
	}
	if choice := p.conv.GetToolChoice(); choice.GetMode() != llmv1.ToolChoice_MODE_UNSPECIFIED && len(p.conv.GetTools()) == 0 &&
		choice.GetMode() != llmv1.ToolChoice_MODE_NONE && choice.GetMode() != llmv1.ToolChoice_MODE_AUTO {
		return (&path{name: "tool_choice"}).invalid("needs tools")
	}
	return nil
}

func (p *parser) flag(f *flag, at *path) error {
	value, ok := false, false
	f.start = p.valueStart()
	if value, ok = p.boolean(); !ok {
		return at.invalid("must be true or false")
	}
	f.end, f.present, f.value = p.at, true, value
	return nil
}

// noteNull remembers an explicit null that a rendered request must replace:
// which of two members of one name counts is anybody's guess.
func (p *parser) noteNull(name string) {
	null := flag{span: span{p.at - len("null"), p.at}, present: true}
	switch name {
	case "stream":
		p.req.stream = null
	case "stream_options":
		p.req.optionsNull = null
	}
}

var streamOptionNames = names{"include_usage"}

func (p *parser) streamOptions(at *path) error {
	options := &p.req.streamOptions
	if p.peek() != '{' {
		return at.invalid("must be an object")
	}
	options.start, options.present = p.at, true
	var seen uint64
	for p.open('{'); p.next('}'); {
		name, err := streamOptionNames.find(p.key(), &seen, at)
		if err != nil {
			return err
		}
		if name == "" {
			p.skip()
			continue
		}
		if p.null() {
			options.includeUsage = flag{span: span{p.at - len("null"), p.at}, present: true}
			continue
		}
		if err := p.flag(&options.includeUsage, &path{parent: at, name: name}); err != nil {
			return err
		}
	}
	options.end = p.at
	return nil
}

func (p *parser) stringMember(dst *string, at *path) error {
	if p.peek() != '"' {
		return at.invalid("must be a string")
	}
	*dst = p.value(p.text())
	return nil
}

package openai

import (
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
	maxMetadata = 32
	maxModel    = 256
	// maxCitations is the most sources of one text.
	maxCitations = 1024
)

// Request is a chat completion request as the client wrote it.
type Request struct {
	raw  []byte
	body int // behind the opening brace

	model         jsonscan.Token
	modelName     string
	stream        flag
	streamOptions struct {
		flag         // span is the value's; set if it is an object
		includeUsage flag
	}
	optionsNull flag
	texts       []jsonscan.Token
	copies      []textCopy
	context     contextPlace
	first       int // behind the opening bracket of the messages
	members     []member
	some        [8]member // of most requests
	unexpressed []string
	// thoughts are the members of messages and calls that hold thinking.
	thoughts []jsonscan.Span
}

// member is a member of the top level that the parser knows, with its comma's
// neighbours: from the name's quote to the value's end.
type member struct {
	name  string
	whole jsonscan.Span
	value int // where the value begins
	null  bool
}

// textCopy is a place where texts stand once more, one behind the other.
type textCopy struct {
	jsonscan.Token
	first, n int // among the texts
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

// IncludeUsage says whether the client wants the tokens counted at the end of a stream.
func (r *Request) IncludeUsage() bool { return r.streamOptions.includeUsage.value }

// parser reads a request into its canonical form and notes where the texts stand.
type parser struct {
	scanner
	req          *Request
	conv         *llmv1.Conversation
	oldMaxTokens int64
	listed       int // tools in the list, of whatever type
}

var requestNames = jsonscan.Names{
	"model", "messages", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
	"response_format", "temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "n", "stop",
	"seed", "presence_penalty", "frequency_penalty", "reasoning_effort", "metadata", "user", "modalities",
	"functions", "function_call", "prompt",
}

// ParseRequest reads the body of a chat completion request. What it does not
// know it leaves in the native request; what it knows it reads strictly.
// The conversation shares memory with raw, which must not change afterwards.
func ParseRequest(raw []byte) (*Request, *llmv1.Conversation, error) {
	return ParseDeployment(raw, "")
}

// ParseDeployment reads a body whose model is named elsewhere, as Azure does in
// the path: that name wins over one in the body.
func ParseDeployment(raw []byte, model string) (*Request, *llmv1.Conversation, error) {
	if !utf8.Valid(raw) {
		return nil, nil, malformed("the body is not valid UTF-8")
	}
	p := &parser{scanner: newScanner(raw), req: &Request{raw: raw}, conv: &llmv1.Conversation{}}
	err := p.request()
	if err != nil && p.Err == nil {
		return nil, nil, err
	}
	if fault := p.Finish(); fault != nil {
		return nil, nil, malformed("the body " + fault.Error())
	}
	if model != "" {
		p.conv.Model = model
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
	p.req.members = p.req.some[:0]
	for p.Next('}') {
		start := p.At
		key := p.Key()
		name, err := requestNames.Find(key, &seen, nil)
		if err != nil {
			return err
		}
		if name == "" {
			p.unknown(key, nil)
			continue
		}
		m := member{name: name, value: p.ValueStart(), null: p.Peek() == 'n'}
		if err := p.member(name, &jsonscan.Path{Name: name}); err != nil {
			return err
		}
		m.whole = jsonscan.Span{Start: start, End: p.At}
		p.req.members = append(p.req.members, m)
	}
	return nil
}

func (p *parser) member(name string, at *jsonscan.Path) error {
	if name != "messages" && name != "model" && p.Null() {
		p.noteNull(name)
		return nil
	}
	switch name {
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
		return at.Unsupported("is the old form of tools; send tools and tool_choice")
	case "prompt":
		return at.Unsupported("belongs to the completions API; send messages")
	default:
		return p.samplingMember(name, at)
	}
}

func (p *parser) modelMember(at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	p.req.model = p.Text()
	p.conv.Model = p.Value(p.req.model)
	p.req.modelName = p.conv.GetModel()
	if n := len(p.conv.GetModel()); p.Err == nil && (n == 0 || n > maxModel) {
		return at.Invalid("must have 1 to %d characters", maxModel)
	}
	return nil
}

// complete checks what only the whole body shows.
func (p *parser) complete() error {
	if n := len(p.conv.GetModel()); n == 0 {
		return (&jsonscan.Path{Name: "model"}).Invalid("is required")
	} else if n > maxModel {
		return (&jsonscan.Path{Name: "model"}).Invalid("must have 1 to %d characters", maxModel)
	}
	if len(p.conv.GetMessages()) == 0 {
		return (&jsonscan.Path{Name: "messages"}).Invalid("must not be empty")
	}
	if p.oldMaxTokens > 0 && p.conv.GetSampling().MaxOutputTokens == nil {
		p.sampling().MaxOutputTokens = &p.oldMaxTokens
	}
	if choice := p.conv.GetToolChoice(); choice.GetMode() != llmv1.ToolChoice_MODE_UNSPECIFIED && p.listed == 0 &&
		choice.GetMode() != llmv1.ToolChoice_MODE_NONE && choice.GetMode() != llmv1.ToolChoice_MODE_AUTO {
		return (&jsonscan.Path{Name: "tool_choice"}).Invalid("needs tools")
	}
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

// noteNull remembers an explicit null that a rendered request must replace:
// which of two members of one name counts is anybody's guess.
func (p *parser) noteNull(name string) {
	null := flag{Span: jsonscan.Span{Start: p.At - len("null"), End: p.At}, present: true}
	switch name {
	case "stream":
		p.req.stream = null
	case "stream_options":
		p.req.optionsNull = null
	}
}

var streamOptionNames = jsonscan.Names{"include_usage"}

func (p *parser) streamOptions(at *jsonscan.Path) error {
	options := &p.req.streamOptions
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	options.Start, options.present = p.At, true
	var seen uint64
	for p.Open('{'); p.Next('}'); {
		key := p.Key()
		name, err := streamOptionNames.Find(key, &seen, at)
		if err != nil {
			return err
		}
		if name == "" {
			p.unknown(key, at)
			continue
		}
		if p.Null() {
			options.includeUsage = flag{Span: jsonscan.Span{Start: p.At - len("null"), End: p.At}, present: true}
			continue
		}
		if err := p.flag(&options.includeUsage, &jsonscan.Path{Parent: at, Name: name}); err != nil {
			return err
		}
	}
	options.End = p.At
	return nil
}

func (p *parser) stringMember(dst *string, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	*dst = p.Value(p.Text())
	return nil
}

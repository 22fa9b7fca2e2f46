package responses

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// NewID makes the id of a response: 128 random bits, so that it cannot be guessed.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return responsePrefix + hex.EncodeToString(b[:])
}

// ResponseOf finds the response that an item belongs to, and its place there.
func ResponseOf(item string) (response string, index int, ok bool) {
	_, rest, ok := strings.Cut(item, "_")
	if !ok {
		return "", 0, false
	}
	base, number, ok := strings.Cut(rest, "_")
	index, err := strconv.Atoi(number)
	return responsePrefix + base, index, ok && err == nil && index >= 0
}

// Response is an answer that is made.
type Response struct {
	// ID names it.
	ID string

	request *Request
	created int64
	model   string
	status  string
	reason  string // why it is incomplete
	failure *errs.Error
	items   []*item
	usage   *llmv1.Usage
}

// NewResponse begins the answer to a request.
func NewResponse(r *Request, id string) *Response {
	return &Response{ID: id, request: r, created: time.Now().Unix(), status: inProgress}
}

// Message is what the response says, in canonical form, as the client sees it.
func (r *Response) Message() *llmv1.Message { return canonical(r.items) }

// Items are the canonical parts of each item, by its place.
func (r *Response) Items() [][]*llmv1.Part {
	out := make([][]*llmv1.Part, len(r.items))
	for i, it := range r.items {
		out[i] = it.parts()
	}
	return out
}

// end sets how the answer has ended.
func (r *Response) end(reason llmv1.FinishReason) {
	switch reason {
	case llmv1.FinishReason_FINISH_REASON_LENGTH:
		r.status, r.reason = incomplete, "max_output_tokens"
	case llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER:
		r.status, r.reason = incomplete, "content_filter"
	case llmv1.FinishReason_FINISH_REASON_PAUSE:
		r.status, r.reason = incomplete, "pause"
	default:
		r.status = completed
	}
}

// defaults are what a response repeats of members that the request has not set.
var defaults = []struct{ name, value string }{
	{"instructions", "null"},
	{"max_output_tokens", "null"},
	{"metadata", "{}"},
	{"parallel_tool_calls", "true"},
	{"previous_response_id", "null"},
	{"reasoning", `{"effort":null,"summary":null}`},
	{"temperature", "1"},
	{"text", `{"format":{"type":"text"}}`},
	{"tool_choice", `"auto"`},
	{"tools", "[]"},
	{"top_p", "1"},
	{"truncation", `"disabled"`},
	{"user", "null"},
}

// Append writes the response as an object.
func (r *Response) Append(dst []byte) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, r.ID)
	dst = append(dst, `,"object":"response","created_at":`...)
	dst = strconv.AppendInt(dst, r.created, 10)
	dst = append(dst, `,"status":"`+r.status+`","background":false,"error":`...)
	dst = r.appendFailure(dst)
	dst = append(dst, `,"incomplete_details":`...)
	if r.reason == "" {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, `{"reason":"`+r.reason+`"}`...)
	}
	dst = append(dst, `,"model":`...)
	dst = jsonscan.AppendString(dst, r.model)
	dst = append(dst, `,"output":[`...)
	for i, it := range r.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendItem(dst, it)
	}
	dst = append(dst, ']')
	for _, d := range defaults {
		value, ok := r.request.echo[d.name]
		if !ok || value == "null" {
			value = d.value
		}
		dst = append(dst, `,"`+d.name+`":`...)
		dst = appendLine(dst, value)
	}
	dst = append(dst, `,"store":`...)
	dst = strconv.AppendBool(dst, r.request.Store)
	dst = append(dst, `,"usage":`...)
	return append(appendUsage(dst, r.usage), '}')
}

// appendLine writes JSON that a client gave, without line breaks: those may
// stand between values only, and an event's data is one line.
func appendLine(dst []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; c != '\n' && c != '\r' {
			dst = append(dst, c)
		}
	}
	return dst
}

func (r *Response) appendFailure(dst []byte) []byte {
	if r.failure == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, `{"code":`...)
	dst = jsonscan.AppendString(dst, openai.ErrorCode(r.failure))
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, r.failure.Message)
	return append(dst, '}')
}

// appendUsage writes the classes as totals with details.
func appendUsage(dst []byte, u *llmv1.Usage) []byte {
	if u == nil {
		return append(dst, "null"...)
	}
	input := u.GetInputTokens() + u.GetCacheReadTokens() + u.GetCacheWrite_5MTokens() + u.GetCacheWrite_1HTokens() +
		u.GetInputAudioTokens() + u.GetInputImageTokens()
	output := u.GetOutputTokens() + u.GetReasoningTokens() + u.GetOutputAudioTokens()
	field := func(name string, n int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	field(`{"input_tokens":`, input)
	field(`,"input_tokens_details":{"cached_tokens":`, u.GetCacheReadTokens())
	field(`},"output_tokens":`, output)
	field(`,"output_tokens_details":{"reasoning_tokens":`, u.GetReasoningTokens())
	field(`},"total_tokens":`, input+output)
	return append(dst, '}')
}

// Complete fills the response with a whole answer. sources are the passages
// that the prompt was given; those that a text refers to are cited.
func (r *Response) Complete(c *llmv1.Completion, sources []*llmv1.Citation) {
	r.model, r.usage = c.GetModel(), c.GetUsage()
	if len(c.GetCandidates()) == 0 {
		r.status = completed
		return
	}
	candidate := c.GetCandidates()[0]
	r.end(candidate.GetFinishReason())
	refused := candidate.GetFinishReason() == llmv1.FinishReason_FINISH_REASON_REFUSAL
	for _, p := range candidate.GetMessage().GetParts() {
		switch c := p.GetContent().(type) {
		case *llmv1.Part_Text:
			it := r.message()
			it.content = append(it.content, content{text: []byte(c.Text.GetText()), refusal: refused})
			it.content[len(it.content)-1].cite(c.Text.GetCitations(), sources)
		case *llmv1.Part_Thinking:
			it := r.add(reasoning)
			it.text = []byte(c.Thinking.GetText())
			it.seal = seal{Signature: c.Thinking.GetSignature(), Redacted: c.Thinking.GetRedacted()}
		case *llmv1.Part_ToolCall:
			r.sealCall(c.ToolCall.GetId(), c.ToolCall.GetSignature())
			it := r.add(call)
			it.callID, it.name, it.text = c.ToolCall.GetId(), c.ToolCall.GetName(), []byte(c.ToolCall.GetArguments())
			it.seal.Signature = c.ToolCall.GetSignature()
		}
	}
	r.close()
}

// close gives the items the status that they end with: the last one is as
// complete as the response.
func (r *Response) close() {
	for i, it := range r.items {
		switch {
		case it.status != inProgress: // it has ended by itself
		case i == len(r.items)-1 && r.status != completed:
			it.status = incomplete
		default:
			it.status = completed
		}
	}
}

// message is the message that is being written: items of one kind behind each
// other are one.
func (r *Response) message() *item {
	if n := len(r.items); n > 0 && r.items[n-1].kind == message {
		return r.items[n-1]
	}
	return r.add(message)
}

func (r *Response) add(k kind) *item {
	it := &item{kind: k, id: itemID(k, r.ID, len(r.items)), status: inProgress}
	r.items = append(r.items, it)
	return it
}

// sealCall adds the item that carries the signature of a call.
func (r *Response) sealCall(id, signature string) *item {
	if signature == "" {
		return nil
	}
	it := r.add(reasoning)
	it.seal = seal{Signature: signature, Call: id}
	return it
}

// AppendDeleted writes the answer to a deletion.
func AppendDeleted(dst []byte, id string) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, id)
	return append(dst, `,"object":"response","deleted":true}`...)
}

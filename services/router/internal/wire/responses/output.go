package responses

import (
	"strconv"
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// kind is what an output item is.
type kind uint8

const (
	message kind = iota + 1
	call
	reasoning
)

// prefixes begin the ids of items; statuses are those of items.
var prefixes = map[kind]string{message: "msg_", call: "fc_", reasoning: "rs_"}

const (
	inProgress = "in_progress"
	completed  = "completed"
	incomplete = "incomplete"
	failed     = "failed"
)

// item is one item of an answer, as far as it is written.
type item struct {
	kind    kind
	id      string
	status  string
	content []content // of a message
	part    int32     // canonical index of a call or of reasoning
	// arguments of a call, or text of reasoning.
	text         []byte
	callID, name string
	seal         seal
	// begun is set once the summary of reasoning has been announced.
	begun bool
}

// content is one part of a message.
type content struct {
	part      int32 // canonical index
	text      []byte
	refusal   bool
	ended     bool
	citations []citation
}

// citation is a source, and where in the text it is cited, in characters.
type citation struct {
	source     *llmv1.Citation
	start, end int
}

// itemID names an item so that it can be found again by its id alone.
func itemID(k kind, response string, index int) string {
	return prefixes[k] + response[len(responsePrefix):] + "_" + strconv.Itoa(index)
}

// responsePrefix begins the ids of responses.
const responsePrefix = "resp_"

func appendItem(dst []byte, it *item) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonscan.AppendString(dst, it.id)
	switch it.kind {
	case message:
		dst = append(dst, `,"type":"message","status":"`+it.status+`","role":"assistant","content":[`...)
		for i := range it.content {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendContent(dst, &it.content[i])
		}
		dst = append(dst, ']')
	case call:
		dst = append(dst, `,"type":"function_call","status":"`+it.status+`","call_id":`...)
		dst = jsonscan.AppendString(dst, it.callID)
		dst = append(dst, `,"name":`...)
		dst = jsonscan.AppendString(dst, it.name)
		dst = append(dst, `,"arguments":`...)
		dst = jsonscan.AppendString(dst, it.text)
	case reasoning:
		dst = append(dst, `,"type":"reasoning","summary":[`...)
		if len(it.text) > 0 {
			dst = appendSummary(dst, it.text)
		}
		dst = append(dst, ']')
		if !it.seal.empty() {
			dst = append(dst, `,"encrypted_content":`...)
			dst = jsonscan.AppendString(dst, it.seal.String())
		}
	}
	return append(dst, '}')
}

func appendSummary(dst, text []byte) []byte {
	dst = append(dst, `{"type":"summary_text","text":`...)
	dst = jsonscan.AppendString(dst, text)
	return append(dst, '}')
}

func appendContent(dst []byte, c *content) []byte {
	if c.refusal {
		dst = append(dst, `{"type":"refusal","refusal":`...)
		dst = jsonscan.AppendString(dst, c.text)
		return append(dst, '}')
	}
	dst = append(dst, `{"type":"output_text","text":`...)
	dst = jsonscan.AppendString(dst, c.text)
	dst = append(dst, `,"annotations":[`...)
	for i := range c.citations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCitation(dst, &c.citations[i])
	}
	return append(dst, `],"logprobs":[]}`...)
}

// appendCitation writes a source. One without an address is named by its document.
func appendCitation(dst []byte, c *citation) []byte {
	uri := c.source.GetUri()
	if uri == "" {
		uri = c.source.GetDocument()
	}
	dst = append(dst, `{"type":"url_citation","start_index":`...)
	dst = strconv.AppendInt(dst, int64(c.start), 10)
	dst = append(dst, `,"end_index":`...)
	dst = strconv.AppendInt(dst, int64(c.end), 10)
	dst = append(dst, `,"url":`...)
	dst = jsonscan.AppendString(dst, uri)
	dst = append(dst, `,"title":`...)
	dst = jsonscan.AppendString(dst, c.source.GetTitle())
	return append(dst, '}')
}

// cite adds sources to a text: those that its provider named, and those of the
// prompt whose marker stands in it. A source is cited once.
func (c *content) cite(named, sources []*llmv1.Citation) {
	text := string(c.text)
	add := func(source *llmv1.Citation, needed bool) {
		for i := range c.citations {
			have := c.citations[i].source
			if have == source || source.GetMarker() != "" && have.GetMarker() == source.GetMarker() {
				return
			}
		}
		at := -1
		if source.GetMarker() != "" {
			at = strings.Index(text, "["+source.GetMarker()+"]")
		}
		if at < 0 && needed {
			return
		}
		one := citation{source: source}
		if at >= 0 {
			one.start = utf8.RuneCountInString(text[:at])
			one.end = one.start + utf8.RuneCountInString(source.GetMarker()) + len("[]")
		}
		c.citations = append(c.citations, one)
	}
	for _, source := range named {
		add(source, false)
	}
	for _, source := range sources {
		add(source, true)
	}
}

// canonical is what the items say, as a message.
func canonical(items []*item) *llmv1.Message {
	m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT}
	for _, it := range items {
		m.Parts = append(m.Parts, it.parts()...)
	}
	return m
}

func (it *item) parts() []*llmv1.Part {
	switch it.kind {
	case call:
		return []*llmv1.Part{{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{
			Id: it.callID, Name: it.name, Arguments: string(it.text), Signature: it.seal.Signature,
		}}}}
	case reasoning:
		if it.seal.Call != "" { // belongs to a call
			return nil
		}
		return []*llmv1.Part{{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{
			Text: string(it.text), Signature: it.seal.Signature, Redacted: it.seal.Redacted,
		}}}}
	default:
		parts := make([]*llmv1.Part, 0, len(it.content))
		for i := range it.content {
			p := textPart(string(it.content[i].text))
			for _, c := range it.content[i].citations {
				p.GetText().Citations = append(p.GetText().Citations, c.source)
			}
			parts = append(parts, p)
		}
		return parts
	}
}

package openai

import (
	"encoding/base64"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// Thinking has no place in OpenAI's own format. Two forms are in use: a plain
// text beside the content (reasoning_content, or reasoning), and a list,
// reasoning_details, whose entries also hold what must come back as it was:
//
//	{"type":"reasoning.text","text":"…","signature":"…"}
//	{"type":"reasoning.encrypted","data":"…"}
//
// Both are read, and the same text in both is one part. The list is written
// where there is a signature or encrypted thinking to keep.

// detail is one entry of reasoning_details.
type detail struct {
	index                 int64 // -1 if it is missing
	text, signature, data jsonscan.Token
}

// reasoningDetails reads the list; what is no list reads as none.
func (s *scanner) reasoningDetails(out []detail) []detail {
	if s.Peek() != '[' {
		s.Skip()
		return out
	}
	for s.Open('['); s.Next(']'); {
		if s.Peek() != '{' {
			s.Skip()
			continue
		}
		if len(out) == maxParts {
			s.Fail(errCount)
			return out
		}
		one := detail{index: -1}
		for s.Open('{'); s.Next('}'); {
			switch string(s.Key()) {
			case "text", "summary":
				t := s.OptionalText()
				if one.text.Start != 0 && t.Start != 0 { // both: neither may pass unseen
					out = append(out, detail{index: one.index, text: one.text})
				}
				if t.Start != 0 {
					one.text = t
				}
			case "signature":
				one.signature = s.OptionalText()
			case "data":
				one.data = s.OptionalText()
			case "index":
				if n, ok := s.Integer(); ok {
					one.index = n
				}
			default:
				s.Skip()
			}
		}
		out = append(out, one)
	}
	return out
}

// thinking makes parts of what a message says of its thinking; plain holds the
// texts beside the list. copies are those that say the whole once more: they
// must be changed with it.
func (s *scanner) thinking(plain []jsonscan.Token, details []detail) (g group, copies []jsonscan.Token) {
	if len(plain)+len(details) == 0 || s.Err != nil {
		return group{}, nil
	}
	var whole strings.Builder
	for i := range details {
		whole.WriteString(s.OptionalValue(details[i].text))
	}
	for i, t := range plain {
		text, more := s.OptionalValue(t), i > 0 || len(details) > 0
		switch {
		case more && text == whole.String():
			copies = append(copies, t)
		case !more || text != "":
			whole.WriteString(text)
			g.parts, g.texts = append(g.parts, newThinking(text)), append(g.texts, t)
		}
	}
	for _, one := range details {
		content := &llmv1.Thinking{Text: s.OptionalValue(one.text), Signature: s.OptionalValue(one.signature)}
		if one.data.Start != 0 {
			content.Redacted = readData(s.Value(one.data))
		}
		g.parts = append(g.parts, &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: content}})
		g.texts = append(g.texts, one.text)
	}
	return g, copies
}

// rawData marks encrypted thinking that is no text, such as Amazon's.
const rawData = "base64:"

func readData(text string) []byte {
	if rest, ok := strings.CutPrefix(text, rawData); ok {
		if data, err := base64.StdEncoding.DecodeString(rest); err == nil {
			return data
		}
	}
	return []byte(text)
}

func appendData(dst, data []byte) []byte {
	for _, c := range data {
		if c < ' ' || c > '~' {
			dst = append(dst, `"`+rawData...)
			dst = base64.StdEncoding.AppendEncode(dst, data)
			return append(dst, '"')
		}
	}
	return jsonscan.AppendString(dst, data)
}

// keepsThinking says whether thinking holds what only the list can carry.
func keepsThinking(parts []*llmv1.Part) bool {
	for _, p := range parts {
		if t := p.GetThinking(); t.GetSignature() != "" || len(t.GetRedacted()) > 0 {
			return true
		}
	}
	return false
}

// reasoningDetails writes the list of a message's thinking.
func (e *encoder) reasoningDetails(parts []*llmv1.Part) {
	e.raw(`,"reasoning_details":[`)
	index := int64(0)
	for _, p := range parts {
		t := p.GetThinking()
		if t == nil {
			continue
		}
		e.comma()
		if len(t.GetRedacted()) > 0 {
			e.buf = appendEncrypted(e.buf, index, t.GetRedacted())
		} else {
			e.buf = appendDetail(e.buf, index, "text", t.GetText())
			if t.GetSignature() != "" {
				e.buf = append(e.buf[:len(e.buf)-1], `,"signature":`...)
				e.text(t.GetSignature())
				e.raw(`}`)
			}
		}
		index++
	}
	e.raw(`]`)
}

// appendDetail writes an entry with one member, text or signature.
func appendDetail[T string | []byte](dst []byte, index int64, member string, text T) []byte {
	dst = append(dst, `{"type":"reasoning.text","index":`...)
	dst = appendInt(dst, index)
	dst = append(dst, `,"`+member+`":`...)
	dst = jsonscan.AppendString(dst, text)
	return append(dst, '}')
}

func appendEncrypted(dst []byte, index int64, data []byte) []byte {
	dst = append(dst, `{"type":"reasoning.encrypted","index":`...)
	dst = appendInt(dst, index)
	dst = append(dst, `,"data":`...)
	return append(appendData(dst, data), '}')
}

// callSignature reads extra_content, where Google's form of this format keeps
// the signature of the thinking behind a call.
func (s *scanner) callSignature() (signature jsonscan.Token) {
	s.within("google", func() {
		s.within("thought_signature", func() { signature = s.OptionalText() })
	})
	return signature
}

// within reads one member of an object, if there is one, and skips the others.
func (s *scanner) within(name string, read func()) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) == name {
			read()
			continue
		}
		s.Skip()
	}
}

func appendCallSignature(dst []byte, signature string) []byte {
	dst = append(dst, `"extra_content":{"google":{"thought_signature":`...)
	dst = jsonscan.AppendString(dst, signature)
	return append(dst, `}}`...)
}

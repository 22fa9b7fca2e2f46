package responses

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// A reasoning item carries what a provider wants back as it was in its
// encrypted_content: the format has no other place for a signature, nor any
// for that of a call.

// sealMark begins what this gateway has written.
const sealMark = "tg1."

// seal is what encrypted_content holds.
type seal struct {
	Signature string `json:"s,omitempty"`
	Redacted  []byte `json:"r,omitempty"`
	// Call is the id of the call that the signature belongs to.
	Call string `json:"c,omitempty"`
}

func (s seal) empty() bool { return s.Signature == "" && len(s.Redacted) == 0 }

func (s seal) String() string {
	text, err := json.Marshal(s)
	if err != nil { // strings and bytes always marshal
		return ""
	}
	return sealMark + base64.RawURLEncoding.EncodeToString(text)
}

// unseal opens what this gateway has written; ok is false for anything else.
func unseal(text string) (s seal, ok bool) {
	rest, ok := strings.CutPrefix(text, sealMark)
	if !ok {
		return seal{}, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return seal{}, false
	}
	return s, true
}

var reasoningItemNames = jsonscan.Names{"type", "id", "status", "summary", "content", "encrypted_content"}

// reasoningItem reads the thinking of an earlier turn. Encrypted reasoning that
// another gateway or OpenAI itself has written is noted: nobody here can read it.
func (p *parser) reasoningItem(at *jsonscan.Path) error {
	var summary, content, sealed string
	var foreign bool
	err := p.object(at, reasoningItemNames, func(name string, in *jsonscan.Path) error {
		switch name {
		case "summary":
			return p.joined(&summary, in)
		case "content":
			return p.joined(&content, in)
		case "encrypted_content":
			return p.text(&sealed, in)
		}
		p.Skip()
		return nil
	})
	if err != nil || p.Err != nil {
		return err
	}
	thinking := &llmv1.Thinking{Text: content}
	if content == "" {
		thinking.Text = summary
	}
	if sealed != "" {
		s, ok := unseal(sealed)
		foreign = !ok
		if s.Call != "" {
			if p.signatures == nil {
				p.signatures = make(map[string]string)
			}
			p.signatures[s.Call] = s.Signature
			return nil
		}
		thinking.Signature, thinking.Redacted = s.Signature, s.Redacted
	}
	if foreign {
		p.unexpressed(&jsonscan.Path{Parent: at, Name: "encrypted_content"})
	}
	if thinking.GetText() == "" && thinking.GetSignature() == "" && len(thinking.GetRedacted()) == 0 {
		return nil
	}
	return p.answered(&llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: thinking}}, at)
}

var textPartNames = jsonscan.Names{"type", "text"}

// joined reads parts that hold a text each, as one text.
func (p *parser) joined(dst *string, at *jsonscan.Path) error {
	return p.list(at, maxParts, func(in *jsonscan.Path) error {
		return p.object(in, textPartNames, func(name string, in *jsonscan.Path) error {
			var text string
			err := p.text(&text, in)
			if name == "text" {
				*dst += text
			}
			return err
		})
	})
}

// sign gives calls their signatures back.
func (p *parser) sign() {
	if len(p.signatures) == 0 {
		return
	}
	for _, m := range p.conv.GetMessages() {
		for _, part := range m.GetParts() {
			if call := part.GetToolCall(); call != nil {
				call.Signature = p.signatures[call.GetId()]
			}
		}
	}
}

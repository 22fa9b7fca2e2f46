package converse

import (
	"bytes"
	"encoding/base64"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var (
	useNames      = jsonscan.Names{"toolUseId", "name", "input"}
	answerNames   = jsonscan.Names{"toolUseId", "content", "status"}
	thoughtNames  = jsonscan.Names{"reasoningText", "redactedContent"}
	signedNames   = jsonscan.Names{"text", "signature"}
	guardNames    = jsonscan.Names{"text", "image"}
	guardTexts    = jsonscan.Names{"text"}
	citedNames    = jsonscan.Names{"content", "citations"}
	searchNames   = jsonscan.Names{"content", "source", "title"}
	justTextNames = jsonscan.Names{"text"}
)

func (p *parser) toolUse(g *group, at *jsonscan.Path) error {
	call := &llmv1.ToolCall{}
	var in jsonscan.Span
	err := p.object(useNames, at, func(name string, at *jsonscan.Path) error {
		switch name {
		case "toolUseId":
			return p.text(&call.Id, at)
		case "name":
			return p.text(&call.Name, at)
		default:
			in = p.Skip()
			return nil
		}
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case call.GetId() == "":
		return (&jsonscan.Path{Parent: at, Name: "toolUseId"}).Invalid("is required")
	case call.GetName() == "":
		return (&jsonscan.Path{Parent: at, Name: "name"}).Invalid("is required")
	case in.End == 0:
		return (&jsonscan.Path{Parent: at, Name: "input"}).Invalid("is required")
	}
	call.Arguments = jsonscan.Alias(p.Data[in.Start:in.End])
	g.add(&llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: call}}, place{Span: in, kind: input})
	return nil
}

func (p *parser) toolResult(g *group, at *jsonscan.Path) error {
	out := &llmv1.ToolResult{}
	var said group
	var status string
	err := p.object(answerNames, at, func(name string, in *jsonscan.Path) error {
		switch name {
		case "toolUseId":
			return p.text(&out.ToolCallId, in)
		case "status":
			return p.text(&status, in)
		default:
			return p.list(maxBlocks, in, func(in *jsonscan.Path) error { return p.block(resultNames, &said, in) })
		}
	})
	switch {
	case err != nil || p.Err != nil:
		return err
	case out.GetToolCallId() == "":
		return (&jsonscan.Path{Parent: at, Name: "toolUseId"}).Invalid("is required")
	case status != "" && status != "success" && status != "error":
		return (&jsonscan.Path{Parent: at, Name: "status"}).Invalid("must be success or error")
	}
	out.Parts, out.IsError = said.parts, status == "error"
	g.add(&llmv1.Part{Content: &llmv1.Part_ToolResult{ToolResult: out}}, said.texts...)
	return nil
}

// jsonResult reads a result that is JSON. Its text is that JSON, with escapes
// that need not be written out, so that nothing is hidden from whoever looks at it.
func (p *parser) jsonResult(g *group, start int, _ *jsonscan.Path) error {
	at := p.Skip()
	if p.Err != nil {
		return nil
	}
	g.add(newText(jsonscan.Alias(plainJSON(p.Data[at.Start:at.End]))), place{Span: at, kind: result, member: start})
	return nil
}

// plainJSON writes strings of JSON without escapes that they do not need.
func plainJSON(data []byte) []byte {
	if !bytes.Contains(data, []byte(`\u`)) {
		return data
	}
	out := make([]byte, 0, len(data))
	s := jsonscan.Scanner{Data: data}
	for at := 0; at < len(data); {
		quote := bytes.IndexByte(data[at:], '"')
		if quote < 0 {
			return append(out, data[at:]...)
		}
		out = append(out, data[at:at+quote]...)
		s.At = at + quote
		out = jsonscan.AppendString(out, jsonscan.AppendUnescaped(nil, s.Inner(s.Text())))
		at = s.At
	}
	return out
}

func (p *parser) thinking(g *group, at *jsonscan.Path) error {
	thought := &llmv1.Thinking{}
	var text place
	kinds := 0
	err := p.object(thoughtNames, at, func(name string, in *jsonscan.Path) error {
		kinds++
		if name == "redactedContent" {
			data, err := p.blob(in)
			thought.Redacted = data
			return err
		}
		return p.object(signedNames, in, func(name string, in *jsonscan.Path) error {
			if name == "signature" {
				return p.text(&thought.Signature, in)
			}
			if p.Peek() != '"' {
				return in.Invalid("must be a string")
			}
			t := p.Text()
			thought.Text, text = p.Value(t), place{Span: t.Span, kind: quoted}
			return nil
		})
	})
	if err == nil && p.Err == nil && kinds != 1 {
		err = at.Invalid("must hold reasoningText or redactedContent")
	}
	g.add(&llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: thought}}, text)
	return err
}

// guarded reads content that is marked for the provider's own guardrail. To us
// it is content like any other.
func (p *parser) guarded(g *group, at *jsonscan.Path) error {
	return p.object(guardNames, at, func(name string, in *jsonscan.Path) error {
		if name == "image" {
			return p.media(g, imageFormats, in)
		}
		return p.object(guardTexts, in, func(_ string, in *jsonscan.Path) error { return p.textBlock(g, in) })
	})
}

// cited reads a text of an earlier answer with its citations. One without a
// text cites for the text before it.
func (p *parser) cited(g *group, at *jsonscan.Path) error {
	var citations []*llmv1.Citation
	from := len(g.parts)
	err := p.object(citedNames, at, func(name string, in *jsonscan.Path) error {
		if name == "citations" {
			citations = readCitations(&p.Scanner)
			return nil
		}
		return p.textList(g, in)
	})
	if from == len(g.parts) {
		from--
	}
	if err == nil && len(citations) > 0 && from >= 0 {
		if text := g.parts[from].GetText(); text != nil {
			text.Citations = citations
		}
	}
	return err
}

// searchResult reads a passage that the client found: as its texts, with where
// it comes from.
func (p *parser) searchResult(g *group, at *jsonscan.Path) error {
	return p.object(searchNames, at, func(name string, in *jsonscan.Path) error {
		if name == "content" {
			return p.textList(g, in)
		}
		return p.textBlock(g, in)
	})
}

// blob reads bytes, which are base64.
func (p *parser) blob(at *jsonscan.Path) ([]byte, error) {
	var text string
	if err := p.text(&text, at); err != nil || p.Err != nil {
		return nil, err
	}
	if base64.StdEncoding.DecodedLen(len(text)) > maxBlob+2 {
		return nil, at.Invalid("must not have more than %d bytes", maxBlob)
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(data) == 0 {
		return nil, at.Invalid("must be base64")
	}
	return data, nil
}

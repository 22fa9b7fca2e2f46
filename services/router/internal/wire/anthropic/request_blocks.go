package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// block is one block's members. Strings have a start, other values an end.
type block struct {
	kind                                                                 string
	text, thinking, signature, data, id, name, toolUseID, title, context jsonscan.Token
	source, input, content, citations, caller                            jsonscan.Span
	isError                                                              flag
	cache                                                                *llmv1.Part
	has                                                                  uint64 // which of blockNames, by their place
	// noted is how many members had been noted before it, strange whether some of
	// its own were.
	noted   int
	strange bool
}

var blockNames = jsonscan.Names{
	"type", "text", "source", "title", "context", "citations", "thinking", "signature", "data", "id", "name", "input",
	"tool_use_id", "content", "is_error", "cache_control", "caller",
}

// bits makes a set of names.
func bits(names ...string) (set uint64) {
	for i, name := range blockNames {
		for _, n := range names {
			if n == name {
				set |= 1 << i
			}
		}
	}
	return set
}

// members are what a block of each kind may have. What stands elsewhere would
// reach a lenient provider without having been looked at.
var members = map[string]uint64{
	"text":              bits("type", "text", "citations", "cache_control"),
	"image":             bits("type", "source", "cache_control"),
	"document":          bits("type", "source", "title", "context", "citations", "cache_control"),
	"search_result":     bits("type", "source", "title", "content", "citations", "cache_control"),
	"thinking":          bits("type", "thinking", "signature"),
	"redacted_thinking": bits("type", "data"),
	"tool_use":          bits("type", "id", "name", "input", "caller", "cache_control"),
	"tool_result":       bits("type", "tool_use_id", "content", "is_error", "cache_control"),
}

var markBit = bits(markName)

// block reads a block's members, which may come in any order.
func (p *parser) block(at *jsonscan.Path) (b block, err error) {
	b.noted = len(p.req.unexpressed)
	if p.Peek() != '{' {
		return b, at.Invalid("must be an object")
	}
	err = p.object(blockNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		b.has |= bits(name)
		if t := b.token(name); t != nil && p.Peek() == '"' {
			*t = p.Text()
			return nil
		}
		switch name {
		case "type":
			return p.stringMember(&b.kind, in)
		case "is_error":
			return p.flag(&b.isError, in)
		case "cache_control":
			return p.cacheControl(&b.cache, in)
		}
		sp := b.span(name)
		if sp == nil {
			return in.Invalid("must be a string")
		}
		*sp = p.Skip()
		return nil
	})
	if err == nil && p.Err == nil && b.kind == "" {
		err = (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("is required")
	}
	b.strange = p.noted(b.noted)
	return b, err
}

// unsigned says whether the block is thinking that nobody has signed.
func (b *block) unsigned() bool {
	return b.kind == "thinking" && b.signature.End == b.signature.Start
}

func (b *block) token(name string) *jsonscan.Token {
	switch name {
	case "text":
		return &b.text
	case "thinking":
		return &b.thinking
	case "signature":
		return &b.signature
	case "data":
		return &b.data
	case "id":
		return &b.id
	case "name":
		return &b.name
	case "tool_use_id":
		return &b.toolUseID
	case "title":
		return &b.title
	case "context":
		return &b.context
	default:
		return nil
	}
}

func (b *block) span(name string) *jsonscan.Span {
	switch name {
	case "source":
		return &b.source
	case "input":
		return &b.input
	case "content":
		return &b.content
	case "citations":
		return &b.citations
	case "caller":
		return &b.caller
	default:
		return nil
	}
}

// addBlock adds what a block says, and its mark behind it.
func (p *parser) addBlock(g *group, b block, at *jsonscan.Path) error {
	if p.Err != nil {
		return nil
	}
	allowed, known := members[b.kind]
	if !known {
		// Blocks of tools that the provider runs, and what is newer than we are.
		p.req.unexpressed = p.req.unexpressed[:b.noted]
		p.unexpressed(at)
		return nil
	}
	if b.has&^allowed != 0 {
		for i, name := range blockNames {
			if b.has&^allowed&(1<<i) != 0 {
				return (&jsonscan.Path{Parent: at, Name: name}).Invalid("does not belong to a block of type %s", b.kind)
			}
		}
	}
	if err := p.addContent(g, &b, at); err != nil || p.Err != nil {
		return err
	}
	if b.cache != nil && len(g.parts) > 0 {
		g.parts = append(g.parts, b.cache)
	}
	return nil
}

func (p *parser) addContent(g *group, b *block, at *jsonscan.Path) error {
	need := func(name string, have bool) error {
		if have {
			return nil
		}
		return (&jsonscan.Path{Parent: at, Name: name}).Invalid("is required")
	}
	switch b.kind {
	case "text":
		if err := need("text", b.text.Start != 0); err != nil {
			return err
		}
		g.addText(p, b.text)
		return p.citedIn(g, b, at)
	case "image":
		return p.image(g, b, at)
	case "document":
		return p.document(g, b, at)
	case "search_result":
		return p.searchResult(g, b, at)
	case "thinking":
		if err := need("thinking", b.thinking.Start != 0); err != nil {
			return err
		}
		g.parts = append(g.parts, newThinking(p.Value(b.thinking), p.OptionalValue(b.signature)))
		g.texts = append(g.texts, text{Token: b.thinking})
		return nil
	case "redacted_thinking":
		if err := need("data", b.data.Start != 0); err != nil {
			return err
		}
		g.parts = append(g.parts, newRedacted(p.Value(b.data)))
		g.texts = append(g.texts, text{}) // its text, which nobody has
		return nil
	case "tool_use":
		return p.toolUse(g, b, at, need)
	default:
		return p.toolResult(g, b, at)
	}
}

func (p *parser) toolUse(g *group, b *block, at *jsonscan.Path, need func(string, bool) error) error {
	for _, name := range []string{"id", "name"} {
		if t := b.token(name); t.End <= t.Start {
			return need(name, false)
		}
	}
	if b.input.End == 0 || p.Data[b.input.Start] != '{' {
		return (&jsonscan.Path{Parent: at, Name: "input"}).Invalid("must be an object")
	}
	arguments := jsonscan.Alias(p.Data[b.input.Start:b.input.End])
	g.parts = append(g.parts, newToolCall(p.Value(b.id), p.Value(b.name), arguments))
	g.texts = append(g.texts, text{Token: jsonscan.Token{Span: b.input}, object: true})
	if b.caller.End != 0 && !p.direct(b.caller) {
		p.unexpressed(&jsonscan.Path{Parent: at, Name: "caller"})
	}
	return nil
}

// direct says whether a call's caller is the model itself, as is the default.
func (p *parser) direct(caller jsonscan.Span) bool {
	s := jsonscan.Scanner{Data: p.Data[caller.Start:caller.End]}
	direct := false
	if s.Peek() != '{' {
		return false
	}
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) != "type" {
			return false
		}
		direct = s.OptionalValue(s.OptionalText()) == "direct"
	}
	return direct
}

// toolResult reads what a tool gave back: a text, or blocks.
func (p *parser) toolResult(g *group, b *block, at *jsonscan.Path) error {
	if b.toolUseID.End <= b.toolUseID.Start {
		return (&jsonscan.Path{Parent: at, Name: "tool_use_id"}).Invalid("is required")
	}
	var inner group
	if b.content.End != 0 {
		in := &jsonscan.Path{Parent: at, Name: "content"}
		if err := p.reread(b.content, func() error { return p.inner(&inner, in) }); err != nil {
			return err
		}
	}
	g.parts = append(g.parts, &llmv1.Part{Content: &llmv1.Part_ToolResult{ToolResult: &llmv1.ToolResult{
		ToolCallId: p.Value(b.toolUseID), Parts: inner.parts, IsError: b.isError.value,
	}}})
	g.texts = append(g.texts, inner.texts...)
	return nil
}

// maxInner is the most blocks in a block.
const maxInner = 256

// inner reads the content of a block: texts, pictures and documents.
func (p *parser) inner(g *group, at *jsonscan.Path) error {
	if p.Peek() == '"' {
		g.addText(p, p.Text())
		return nil
	}
	if p.Peek() != '[' {
		return at.Invalid("must be a string or an array of blocks")
	}
	n := 0
	for p.Open('['); p.Next(']'); n++ {
		in := &jsonscan.Path{Parent: at, Index: n}
		b, err := p.block(in)
		if err != nil || p.Err != nil {
			return err
		}
		switch b.kind {
		case "thinking", "redacted_thinking", "tool_use", "tool_result":
			return (&jsonscan.Path{Parent: in, Name: "type"}).Invalid("must not stand in another block")
		}
		if err := p.addBlock(g, b, in); err != nil {
			return err
		}
		if n == maxInner || len(g.parts) > maxInner {
			return at.Invalid("must not have more than %d blocks", maxInner)
		}
	}
	return nil
}

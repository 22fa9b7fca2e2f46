package converse

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

var (
	messageNames = jsonscan.Names{"role", "content"}
	// spokenNames are the kinds of blocks of a message, systemNames those of the
	// instructions, resultNames those of a tool's result.
	spokenNames = jsonscan.Names{
		"text", "image", "document", "audio", "toolUse", "toolResult", "reasoningContent", "cachePoint", "guardContent",
		"citationsContent", "searchResult",
	}
	systemNames = jsonscan.Names{"text", "cachePoint", "guardContent"}
	resultNames = jsonscan.Names{"text", "json", "image", "document", "searchResult"}
)

var roles = map[string]llmv1.Role{
	"system": llmv1.Role_ROLE_SYSTEM, "user": llmv1.Role_ROLE_USER, "assistant": llmv1.Role_ROLE_ASSISTANT,
}

func (p *parser) messages(at *jsonscan.Path) error {
	err := p.list(maxMessages, at, p.message)
	if err == nil && p.req.context.kind == noContext {
		p.req.context = contextPlace{p.At - 1, ownMessage}
	}
	return err
}

func (p *parser) message(at *jsonscan.Path) error {
	var role string
	var said group
	var mark spot
	var context contextPlace
	err := p.object(messageNames, at, func(name string, in *jsonscan.Path) error {
		if name == "role" {
			return p.text(&role, in)
		}
		context.kind = onlyBlock
		err := p.list(maxBlocks, in, func(in *jsonscan.Path) error {
			start, before := p.ValueStart(), len(said.parts)
			if err := p.block(spokenNames, &said, in); err != nil {
				return err
			}
			mark.note(p.kind, p.At, said.parts[before:])
			results := len(said.parts) > before && said.parts[before].GetToolResult() != nil
			if context.kind != beforeBlock && !results {
				context = contextPlace{start, beforeBlock}
			} else if results && context.kind == onlyBlock {
				context.kind = behindBlocks
			}
			return nil
		})
		if context.kind != beforeBlock {
			context.at = p.At - 1 // before the closing bracket
		}
		return err
	})
	if err != nil || p.Err != nil {
		return err
	}
	known, ok := roles[role]
	switch {
	case role == "":
		return (&jsonscan.Path{Parent: at, Name: "role"}).Invalid("is required")
	case !ok:
		return (&jsonscan.Path{Parent: at, Name: "role"}).Invalid("must be user or assistant")
	case context.kind == noContext:
		return (&jsonscan.Path{Parent: at, Name: "content"}).Invalid("is required")
	}
	p.settle(known, mark)
	p.conv.Messages = append(p.conv.Messages, &llmv1.Message{Role: known, Parts: said.parts})
	p.texts = append(p.texts, said.texts...)
	if known == llmv1.Role_ROLE_USER {
		p.req.context = context
	}
	return nil
}

func (p *parser) systemBlocks(at *jsonscan.Path) error {
	p.req.system = p.opened('[')
	return p.list(maxBlocks, at, func(in *jsonscan.Path) error {
		before := len(p.system.parts)
		err := p.block(systemNames, &p.system, in)
		if err == nil && p.Err == nil {
			p.req.marks.system.note(p.kind, p.At, p.system.parts[before:])
		}
		return err
	})
}

// block reads a block of content: an object whose one member says what it is. A
// kind that is not known is refused, for what it says would reach the model
// unseen.
func (p *parser) block(known jsonscan.Names, g *group, at *jsonscan.Path) error {
	if p.Peek() != '{' {
		return at.Invalid("must be an object")
	}
	var seen uint64
	kinds := 0
	for p.Open('{'); p.Next('}'); {
		start := p.At
		key := p.Key()
		name, err := known.Find(key, &seen, at)
		switch {
		case err != nil:
			return err
		case p.Err != nil:
			return nil
		case p.Null():
			continue
		case name == "":
			return (&jsonscan.Path{Parent: at, Name: memberName(key)}).Unsupported("is not supported here; use %v", known)
		}
		if kinds++; kinds > 1 {
			return at.Invalid("must hold one kind of content only")
		}
		if err := p.blockMember(name, start, g, &jsonscan.Path{Parent: at, Name: name}); err != nil {
			return err
		}
		p.kind = name // blocks in it have set theirs
	}
	if kinds == 0 && p.Err == nil {
		return at.Invalid("must hold one of %v", known)
	}
	return nil
}

func (p *parser) blockMember(name string, start int, g *group, at *jsonscan.Path) error {
	switch name {
	case "text":
		return p.textBlock(g, at)
	case "image":
		return p.media(g, imageFormats, at)
	case "document":
		return p.document(g, at)
	case "audio":
		return p.media(g, soundFormats, at)
	case "toolUse":
		return p.toolUse(g, at)
	case "toolResult":
		return p.toolResult(g, at)
	case "json":
		return p.jsonResult(g, start, at)
	case "reasoningContent":
		return p.thinking(g, at)
	case "cachePoint":
		point, err := p.cachePoint(at)
		g.add(point)
		return err
	case "guardContent":
		return p.guarded(g, at)
	case "citationsContent":
		return p.cited(g, at)
	default:
		return p.searchResult(g, at)
	}
}

func (p *parser) textBlock(g *group, at *jsonscan.Path) error {
	if p.Peek() != '"' {
		return at.Invalid("must be a string")
	}
	t := p.Text()
	g.add(newText(p.Value(t)), place{Span: t.Span, kind: quoted})
	return nil
}

// newText makes a text part in one allocation.
func newText(text string) *llmv1.Part {
	n := &struct {
		part    llmv1.Part
		content llmv1.Part_Text
		text    llmv1.Text
	}{}
	n.text.Text, n.content.Text, n.part.Content = text, &n.text, &n.content
	return &n.part
}

var cacheNames = jsonscan.Names{"type", "ttl"}

func (p *parser) cachePoint(at *jsonscan.Path) (*llmv1.Part, error) {
	var kind, ttl string
	err := p.object(cacheNames, at, func(name string, in *jsonscan.Path) error {
		if name == "type" {
			return p.text(&kind, in)
		}
		return p.text(&ttl, in)
	})
	if err == nil && p.Err == nil {
		switch {
		case kind != "default":
			err = (&jsonscan.Path{Parent: at, Name: "type"}).Invalid("must be default")
		case ttl != "" && ttl != "5m" && ttl != "1h":
			err = (&jsonscan.Path{Parent: at, Name: "ttl"}).Invalid("must be 5m or 1h")
		}
	}
	return newCachePoint(ttl), err
}

func newCachePoint(ttl string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_CachePoint{CachePoint: &llmv1.CachePoint{Ttl: ttl}}}
}

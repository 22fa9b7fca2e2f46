package anthropic

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// contextPlace is where retrieved context goes: before what the user says last,
// or behind the last message if no user speaks. Results of tools are not the
// user's words, though they stand in messages of the user.
type contextPlace struct {
	at   int
	kind placeKind
}

type placeKind uint8

const (
	placeNone       placeKind = iota
	placeString               // in front of a string's text
	placeBlock                // in front of a block
	placeEmptyArray           // in an empty array
	placeMessage              // behind the last message
)

// systemPlace is where the instructions stand: the whole value.
type systemPlace struct {
	jsonscan.Span
	kind systemKind
}

type systemKind uint8

const (
	systemNone systemKind = iota
	systemNull            // or an empty string, which says nothing either
	systemString
	systemArray
	systemEmptyArray
)

// group is a list of parts with the texts in them, in the same order.
type group struct {
	parts []*llmv1.Part
	texts []text
}

func (g *group) addText(p *parser, t jsonscan.Token) {
	g.parts = append(g.parts, newText(p.Value(t)))
	g.texts = append(g.texts, text{Token: t})
}

// run is a piece of a message that becomes a message of its own: results of
// tools in a row, or everything else in a row. Putting the runs of a message
// behind each other gives the message back.
type run struct {
	group
	results bool
	start   int // of its first block
	mark    spot
}

func (p *parser) systemMember(at *jsonscan.Path) error {
	place := &p.req.system
	place.Start = p.ValueStart()
	switch p.Peek() {
	case '"':
		place.kind = systemNull
		if t := p.Text(); t.End > t.Start {
			place.kind = systemString
			p.instructions.addText(p, t)
			p.req.marks.system = p.spotAround(t, p.instructions.parts)
		}
	case '[':
		place.kind = systemEmptyArray
		n := 0
		for p.Open('['); p.Next(']'); n++ {
			place.kind = systemArray
			in := &jsonscan.Path{Parent: at, Index: n}
			start := p.ValueStart()
			b, err := p.block(in)
			if err != nil {
				return err
			}
			if p.Err == nil && b.kind != "text" {
				return (&jsonscan.Path{Parent: in, Name: "type"}).Invalid("must be text")
			}
			if err := p.addMarkable(&p.instructions, b, start, &p.req.marks.system, in); err != nil {
				return err
			}
			if n == maxParts {
				return at.Invalid("must not have more than %d blocks", maxParts)
			}
		}
	default:
		return at.Invalid("must be a string or an array of blocks")
	}
	place.End = p.At
	return nil
}

func (p *parser) messages(at *jsonscan.Path) error {
	if p.Peek() != '[' {
		return at.Invalid("must be an array")
	}
	for p.Open('['); p.Next(']'); p.written++ {
		if len(p.conv.GetMessages()) >= maxMessages {
			return at.Invalid("must not have more than %d messages", maxMessages)
		}
		if err := p.message(&jsonscan.Path{Parent: at, Index: p.written}); err != nil {
			return err
		}
	}
	if p.req.context.kind == placeNone {
		p.req.context = contextPlace{at: p.At - 1, kind: placeMessage}
	}
	return nil
}

var (
	messageNames = jsonscan.Names{"role", "content"}
	roles        = map[string]llmv1.Role{
		"user": llmv1.Role_ROLE_USER, "assistant": llmv1.Role_ROLE_ASSISTANT, "system": llmv1.Role_ROLE_SYSTEM,
	}
)

// message reads one message. Its role may stand behind its content, so the
// content is read once both are known.
func (p *parser) message(at *jsonscan.Path) error {
	var role string
	var content jsonscan.Span
	err := p.object(messageNames, at, func(name string) error {
		in := &jsonscan.Path{Parent: at, Name: name}
		if name == "role" {
			return p.stringMember(&role, in)
		}
		content = p.Skip()
		return nil
	})
	if err != nil || p.Err != nil {
		return err
	}
	in := &jsonscan.Path{Parent: at, Name: "content"}
	canonical, ok := roles[role]
	switch {
	case !ok && role == "":
		return (&jsonscan.Path{Parent: at, Name: "role"}).Invalid("is required")
	case !ok:
		return (&jsonscan.Path{Parent: at, Name: "role"}).Invalid("must be user or assistant")
	case content.End == 0:
		return in.Invalid("is required")
	}
	return p.reread(content, func() error { return p.content(canonical, in) })
}

// reread reads a value that was passed over.
func (p *parser) reread(value jsonscan.Span, read func() error) error {
	behind := p.At
	p.At = value.Start
	err := read()
	if err == nil && p.Err == nil {
		p.At = behind
	}
	return err
}

func (p *parser) content(role llmv1.Role, at *jsonscan.Path) error {
	switch p.Peek() {
	case '"':
		var g group
		t := p.Text()
		g.addText(p, t)
		p.addMessage(role, &g, contextPlace{at: t.Start, kind: placeString}, p.spotAround(t, g.parts))
		return nil
	case '[':
		return p.blocks(role, at)
	default:
		return at.Invalid("must be a string or an array of blocks")
	}
}

// blocks reads an array of blocks, run by run.
func (p *parser) blocks(role llmv1.Role, at *jsonscan.Path) error {
	var open run
	var signed unsignedBlocks
	n := 0
	for p.Open('['); p.Next(']'); n++ {
		if n == maxParts {
			return at.Invalid("must not have more than %d blocks", maxParts)
		}
		in := &jsonscan.Path{Parent: at, Index: n}
		start := p.ValueStart()
		b, err := p.block(in)
		if err != nil || p.Err != nil {
			return err
		}
		signed.add(&p.req.unsigned, jsonscan.Span{Start: start, End: p.At}, b.unsigned())
		if results := b.kind == "tool_result"; results != open.results || n == 0 {
			p.endRun(role, &open)
			open = run{results: results, start: start}
		}
		if err := p.addMarkable(&open.group, b, start, &open.mark, in); err != nil {
			return err
		}
		if len(open.parts) > maxParts {
			return at.Invalid("must not have more than %d parts", maxParts)
		}
	}
	signed.end(&p.req.unsigned)
	if n == 0 {
		p.addMessage(role, &group{}, contextPlace{at: p.At - 1, kind: placeEmptyArray}, spot{})
		return nil
	}
	p.endRun(role, &open)
	return nil
}

func (p *parser) endRun(role llmv1.Role, r *run) {
	if len(r.parts) == 0 {
		return
	}
	if r.results && role == llmv1.Role_ROLE_USER {
		role = llmv1.Role_ROLE_TOOL
	}
	p.addMessage(role, &r.group, contextPlace{at: r.start, kind: placeBlock}, r.mark)
}

func (p *parser) addMessage(role llmv1.Role, g *group, place contextPlace, mark spot) {
	p.settle(role, mark)
	p.conv.Messages = append(p.conv.Messages, &llmv1.Message{Role: role, Parts: g.parts})
	p.req.texts = append(p.req.texts, g.texts...)
	if role == llmv1.Role_ROLE_USER {
		p.req.context = place
	}
}

// unsignedBlocks finds thinking without a signature, as other providers have
// it: the format demands one, so no provider takes such a block. It gathers the
// spans, commas included, that take the blocks out of their array.
type unsignedBlocks struct {
	from int // of the first of those in a row; 0 if the last block was another
	last int // end of the last block
	kept int // end of the last other block; 0 if there is none
}

func (u *unsignedBlocks) add(spans *[]jsonscan.Span, block jsonscan.Span, unsigned bool) {
	u.last = block.End
	switch {
	case unsigned && u.from == 0:
		u.from = block.Start
	case !unsigned:
		if u.from != 0 {
			*spans = append(*spans, jsonscan.Span{Start: u.from, End: block.Start})
		}
		u.from, u.kept = 0, block.End
	}
}

// end takes those at the end out, unless nothing else is in the array.
func (u *unsignedBlocks) end(spans *[]jsonscan.Span) {
	if u.from != 0 && u.kept != 0 {
		*spans = append(*spans, jsonscan.Span{Start: u.kept, End: u.last})
	}
}

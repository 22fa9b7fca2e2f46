package anthropic

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// How a mark of the prompt cache is written.
const (
	markName   = "cache_control"
	plainMark  = `{"type":"ephemeral"}`
	markMember = `,"` + markName + `":` + plainMark
	// beginBlock is what stands before the string in a block that is a text.
	beginBlock = `{"type":"text","text":`
)

// marks are where marks of the prompt cache can be written into a request.
type marks struct {
	// placed is set if the client has written some itself, wherever that is.
	placed bool
	// The last of the tools, of the instructions, and of all turns that are said for
	// good, that may have one.
	tools, system, turns spot
}

// spot is where a mark can be written.
type spot struct {
	jsonscan.Span
	kind spotKind
	text int // where the text begins that is marked; 0 if it is something else
}

type spotKind uint8

const (
	noSpot    spotKind = iota
	spotEnd            // before the closing brace of a block or a tool
	spotNull           // instead of a null
	spotWhole          // in the block that a string must become
)

// noted says whether members that we do not know have been noted since there
// were so many, or may have been.
func (p *parser) noted(before int) bool {
	return len(p.req.unexpressed) > before || before > maxUnexpressed
}

// spotIn is where the block or tool has its mark that began at start and ends here.
func (p *parser) spotIn(start int) spot {
	if p.nulled > start {
		return spot{Span: jsonscan.Span{Start: p.nulled - len("null"), End: p.nulled}, kind: spotNull}
	}
	return spot{Span: jsonscan.Span{Start: p.At - 1, End: p.At - 1}, kind: spotEnd}
}

// spotAround is where a string has its mark, which is the last of the parts.
func (p *parser) spotAround(t jsonscan.Token, said []*llmv1.Part) spot {
	if blank(said[len(said)-1]) {
		return spot{}
	}
	return spot{Span: jsonscan.Span{Start: t.Start - 1, End: t.End + 1}, kind: spotWhole, text: t.Start}
}

// blank says whether a part is a text that says nothing: such a block must not be marked.
func blank(part *llmv1.Part) bool {
	return part.GetText() != nil && strings.TrimSpace(part.GetText().GetText()) == ""
}

// addMarkable adds what a block says that began at start and ends here, and
// notes where its mark would stand, if it may have one.
func (p *parser) addMarkable(g *group, b block, start int, mark *spot, at *jsonscan.Path) error {
	before, here := len(g.parts), p.spotIn(start)
	err := p.addBlock(g, b, at)
	if err != nil || p.Err != nil || len(g.parts) == before || b.strange || members[b.kind]&markBit == 0 || blank(g.parts[before]) {
		return err
	}
	here.text = b.text.Start
	*mark = here
	return nil
}

// settle notes what can be marked of the messages, to which one is added: all
// before it is said for good if the model has said the last of it.
func (p *parser) settle(role llmv1.Role, mark spot) {
	messages := p.conv.GetMessages()
	if n := len(messages); n > 0 && messages[n-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
		p.req.marks.turns = p.said
	}
	if mark.kind == noSpot {
		return
	}
	p.said = mark
	if role == llmv1.Role_ROLE_SYSTEM && conversation.Instructions(messages) == len(messages) {
		p.leading = mark
	}
}

// mark makes the edits that write the route's marks. That behind instructions of
// the route's own alone stands in their block already.
func (r *Request) mark(edits []jsonscan.Edit, to *provider.Request) []jsonscan.Edit {
	at, m := to.CachePoints, &r.marks
	if at.None() || m.placed {
		return edits
	}
	if at.Tools {
		edits = r.markAt(edits, m.tools, to)
	}
	if at.Instructions {
		edits = r.markAt(edits, m.system, to)
	}
	if at.Turns && m.turns != m.system {
		edits = r.markAt(edits, m.turns, to)
	}
	return edits
}

// marksInstructions says whether the mark behind the instructions stands behind
// the route's own: the client has written none.
func (r *Request) marksInstructions(to *provider.Request) bool {
	return to.CachePoints.Instructions && !r.marks.placed && r.marks.system.kind == noSpot
}

func (r *Request) markAt(edits []jsonscan.Edit, s spot, to *provider.Request) []jsonscan.Edit {
	for i, revised := range to.Revisions {
		if s.text > 0 && r.texts[i].Start == s.text && strings.TrimSpace(revised) == "" {
			return edits // nothing is left of it
		}
	}
	behind := jsonscan.Edit{Span: jsonscan.Span{Start: s.End, End: s.End}, Before: markMember}
	switch s.kind {
	case noSpot:
		return edits
	case spotNull:
		return append(edits, jsonscan.Edit{Span: s.Span, Before: plainMark})
	case spotWhole:
		if s.Span == r.system.Span && to.Instructions != "" {
			break // it is a block already, behind the route's instructions
		}
		behind.After = "}]"
		edits = append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: s.Start, End: s.Start}, Before: "[" + beginBlock})
	}
	return append(edits, behind)
}

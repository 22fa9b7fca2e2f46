package converse

import (
	"slices"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// pointBlock is a mark of the prompt cache, behind the block that it marks.
const pointBlock = `,{"cachePoint":{"type":"default"}}`

// marks are where marks can be put into a request: behind the tools, the
// instructions, and all turns that are said for good.
type marks struct {
	tools         int
	system, turns spot
}

// spot is where a mark can stand: the end of the last block that most models
// allow before one, and that of the last text, for Nova wants nothing else. 0 is
// nowhere: a mark must have a block before it in its own list.
type spot struct{ block, text int }

// note moves the spot behind a block that ends there and says the parts. Bedrock
// refuses marks behind thoughts and behind files that it must convert.
func (s *spot) note(kind string, end int, parts []*llmv1.Part) {
	if len(parts) == 0 {
		return // it is not whole
	}
	switch kind {
	case "reasoningContent", "cachePoint":
		return
	case "document":
		if !isPDF(parts[len(parts)-1]) {
			return
		}
	case "text":
		if strings.TrimSpace(parts[0].GetText().GetText()) == "" {
			return
		}
		s.text = end
	}
	s.block = end
}

// over is s, or what there was before where s says nothing.
func (s spot) over(before spot) spot {
	if s.block == 0 {
		s.block = before.block
	}
	if s.text == 0 {
		s.text = before.text
	}
	return s
}

func (s spot) of(model string) int {
	if familyOf(model) == nova {
		return s.text
	}
	return s.block
}

// settle notes what can be marked of the messages, to which one is added: all
// before it is said for good if the model has said the last of it.
func (p *parser) settle(role llmv1.Role, said spot) {
	messages := p.conv.GetMessages()
	if n := len(messages); n > 0 && messages[n-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
		p.req.marks.turns = p.said
	}
	p.said = said.over(p.said)
	if role == llmv1.Role_ROLE_SYSTEM && conversation.Instructions(messages) == len(messages) {
		p.leading = said.over(p.leading)
	}
}

// mark makes the edits that put in the route's marks. That behind instructions of
// the route's own alone stands behind them already.
func (r *Request) mark(edits []jsonscan.Edit, to *provider.Request) []jsonscan.Edit {
	at, m := to.CachePoints, &r.marks
	put := func(wanted bool, end int) {
		if wanted && end > 0 {
			edits = append(edits, jsonscan.Edit{Span: jsonscan.Span{Start: end, End: end}, Before: pointBlock, Order: 2})
		}
	}
	system, turns := m.system.of(to.Model), m.turns.of(to.Model)
	put(at.Tools && familyOf(to.Model).marksTools(), m.tools)
	put(at.Instructions, system)
	put(at.Turns && turns != system, turns)
	return edits
}

// marksTools says whether the family takes a mark behind the tools. Nova keeps
// them with what follows.
func (f family) marksTools() bool { return f != nova }

// pointed adds a mark behind the last part that the family allows before one. If
// there is none, or it is marked already, the mark is left out.
func pointed(parts []*llmv1.Part, point *llmv1.Part, of family) []*llmv1.Part {
	for i := len(parts); i > 0 && parts[i-1].GetCachePoint() == nil; i-- {
		if of.marks(parts[i-1]) {
			return slices.Insert(parts, i, point)
		}
	}
	return parts
}

func (f family) marks(p *llmv1.Part) bool {
	switch p.GetContent().(type) {
	case *llmv1.Part_Text:
		return true
	case *llmv1.Part_Thinking:
		return false
	case *llmv1.Part_Document:
		return f != nova && isPDF(p)
	default:
		return f != nova
	}
}

// isPDF says whether a part is a file that no model wants converted.
func isPDF(p *llmv1.Part) bool {
	return p.GetDocument() != nil && formatOf(fileFormats, p.GetDocument().GetBlob()) == "pdf"
}

package pipeline

import (
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// guard passes the chunks of one answer through a scan: each piece of text is
// replaced by what may pass of it, and what was held back comes out with a
// later piece, or at the latest before its part or candidate ends.
type guard struct {
	scan  Scan
	r     *request
	parts []part       // parts that may still have text held back
	ended []part       // parts that have ended
	out   stream.Chunk // what leaves, if it differs from what came
	arena []byte       // the texts of out
	fresh bool         // out differs from what came
}

// part is one part of an answer while it is written.
type part struct {
	candidate, index int32
	kind             stream.Kind
	name             int32 // its index for the scan: another one if it goes on after its end
}

// chunk returns what may pass of a chunk: the chunk itself if nothing of it
// changed. It is valid until the next call.
func (g *guard) chunk(c *stream.Chunk) (*stream.Chunk, error) {
	g.begin()
	for i := range c.Events {
		if err := g.event(c.Events[i]); err != nil {
			return nil, err
		}
	}
	if !g.fresh {
		return c, nil
	}
	g.out.Native, g.out.Dialect, g.out.Revised = c.Native, c.Dialect, true
	return &g.out, nil
}

// rest returns what is still held back at the end of the stream, nil if nothing is.
func (g *guard) rest() (*stream.Chunk, error) {
	g.begin()
	for len(g.parts) > 0 {
		if err := g.flush(g.parts[0]); err != nil {
			return nil, err
		}
	}
	if len(g.out.Events) == 0 {
		return nil, nil
	}
	g.out.Native, g.out.Dialect, g.out.Revised = nil, "", true
	return &g.out, nil
}

func (g *guard) begin() {
	clear(g.out.Events)
	g.out.Events, g.arena, g.fresh = g.out.Events[:0], g.arena[:0], false
}

func (g *guard) event(e stream.Event) error {
	switch e.Kind {
	case stream.Text, stream.Thinking, stream.ToolArguments:
		return g.delta(e)
	case stream.PartStart:
		return g.partStart(e)
	case stream.PartStop:
		if err := g.flushWhere(func(p part) bool { return p.candidate == e.Candidate && p.index == e.Index }); err != nil {
			return err
		}
	case stream.Finish:
		if err := g.flushWhere(func(p part) bool { return p.candidate == e.Candidate }); err != nil {
			return err
		}
	}
	g.out.Events = append(g.out.Events, e)
	return nil
}

// partStart takes text that a part begins with out of it: it is checked as a delta.
func (g *guard) partStart(e stream.Event) error {
	// Text of the part before would otherwise come out after this one's.
	if err := g.flushWhere(func(p part) bool {
		return p.candidate == e.Candidate && p.index != e.Index && p.kind != stream.ToolArguments
	}); err != nil {
		return err
	}
	text, kind := startText(e.Part)
	if text == nil || *text == "" {
		g.out.Events = append(g.out.Events, e)
		return nil
	}
	first := stream.Event{Kind: kind, Candidate: e.Candidate, Index: e.Index, Delta: []byte(*text)}
	e.Part = proto.Clone(e.Part).(*llmv1.Part)
	emptied, _ := startText(e.Part)
	*emptied = ""
	g.fresh = true
	g.out.Events = append(g.out.Events, e)
	return g.delta(first)
}

func startText(p *llmv1.Part) (*string, stream.Kind) {
	switch content := p.GetContent().(type) {
	case *llmv1.Part_Text:
		return &content.Text.Text, stream.Text
	case *llmv1.Part_Thinking:
		return &content.Thinking.Text, stream.Thinking
	case *llmv1.Part_ToolCall:
		return &content.ToolCall.Arguments, stream.ToolArguments
	default:
		return nil, 0
	}
}

// maxPiece is the most that one step of a scan takes.
const maxPiece = 1 << 20

// delta checks a delta, in as many pieces as it takes.
func (g *guard) delta(e stream.Event) error {
	for len(e.Delta) > maxPiece {
		cut := maxPiece
		for cut > maxPiece-utf8.UTFMax && !utf8.RuneStart(e.Delta[cut]) {
			cut--
		}
		head := e
		head.Delta, e.Delta = e.Delta[:cut], e.Delta[cut:]
		if err := g.piece(head); err != nil {
			return err
		}
	}
	return g.piece(e)
}

// piece checks one piece and appends what may pass of it.
func (g *guard) piece(e stream.Event) error {
	if len(e.Delta) == 0 {
		g.out.Events = append(g.out.Events, e)
		return nil
	}
	text := string(e.Delta)
	released, notices, err := g.ask(g.part(e), text, false)
	if err != nil {
		return err
	}
	if released == text {
		g.out.Events = append(g.out.Events, e)
	} else {
		g.fresh = true
		g.release(e, released)
	}
	g.out.Events = append(g.out.Events, notices...)
	return nil
}

// part finds the part that a delta belongs to, or begins it.
func (g *guard) part(e stream.Event) part {
	for i := range g.parts {
		if p := &g.parts[i]; p.candidate == e.Candidate && p.index == e.Index {
			p.kind = e.Kind
			return *p
		}
	}
	p := part{e.Candidate, e.Index, e.Kind, e.Index}
	for slices.ContainsFunc(g.ended, func(old part) bool { return old.candidate == p.candidate && old.name == p.name }) {
		p.name += reopenedStep
	}
	g.parts = append(g.parts, p)
	return p
}

// reopenedStep leads from the name of an ended part to that of its continuation.
const reopenedStep = 128

// release appends an event with the text that may pass; no text, no event.
func (g *guard) release(e stream.Event, text string) {
	if text == "" {
		return
	}
	start := len(g.arena)
	g.arena = append(g.arena, text...)
	e.Delta = g.arena[start:len(g.arena):len(g.arena)]
	g.out.Events = append(g.out.Events, e)
}

func (g *guard) flushWhere(ends func(part) bool) error {
	for i := 0; i < len(g.parts); {
		if !ends(g.parts[i]) {
			i++
			continue
		}
		if err := g.flush(g.parts[i]); err != nil {
			return err
		}
	}
	return nil
}

// flush ends a part: what is held back of it comes out.
func (g *guard) flush(p part) error {
	released, notices, err := g.ask(p, "", true)
	if err != nil {
		return err
	}
	if released != "" {
		g.fresh = true
		g.release(stream.Event{Kind: p.kind, Candidate: p.candidate, Index: p.index}, released)
	}
	g.out.Events = append(g.out.Events, notices...)
	g.parts = slices.DeleteFunc(g.parts, func(other part) bool { return other == p })
	g.ended = append(g.ended, p)
	return nil
}

// ask puts one piece to the scan. Masks become events of the stream, for a
// client that wants to know.
func (g *guard) ask(p part, text string, last bool) (string, []stream.Event, error) {
	response, err := g.scan.Delta(Delta{
		Candidate: p.candidate, Part: p.name, Kind: contentKind(p.kind), Text: validUTF8(text), Last: last,
	})
	if err != nil {
		return "", nil, err
	}
	if len(response.GetFindings()) > 0 {
		g.r.notice(g.policy(), response.GetFindings())
	}
	if response.GetVerdict() == guardrailv1.Verdict_VERDICT_BLOCKED {
		return "", nil, outputBlocked(blocking(response.GetFindings()))
	}
	var notices []stream.Event
	for _, f := range response.GetFindings() {
		if f.GetAction() != guardrailv1.Action_ACTION_MASK {
			continue
		}
		g.fresh = true
		notices = append(notices, stream.Event{
			Kind: stream.Notice, Candidate: p.candidate, Index: p.index,
			Guardrail: &llmv1.GuardrailNotice{Policy: g.policy(), Check: f.GetCheck(), Action: "mask", Count: 1},
		})
	}
	return response.GetReleased(), notices, nil
}

func (g *guard) policy() string {
	if policy := g.r.decision.Entry.Policy; policy != "" {
		return policy
	}
	return "policies/default"
}

func contentKind(k stream.Kind) guardrailv1.ContentKind {
	if k == stream.ToolArguments {
		return guardrailv1.ContentKind_CONTENT_KIND_JSON
	}
	return guardrailv1.ContentKind_CONTENT_KIND_TEXT
}

// validUTF8 replaces what is no UTF-8, which a message cannot hold.
func validUTF8(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

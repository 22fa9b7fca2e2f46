package builtin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// What an answer opens with. It never reads as if a model had written it.
const (
	opening = "Quoted from your documents by Tollgate's built-in answerer, without a language model:"
	closest = "Your documents hold no direct answer that Tollgate's built-in answerer can find; " +
		"these quotations, picked without a language model, come closest:"
)

const introduction = `I am Tollgate's built-in answerer. I am not a language model: I answer by quoting your organisation's documents. %s No model provider is configured for this request, or none of those before me could be used.

To get quotations, ingest documents and name their collection in the request or in the route:

    tollgate rag ingest ./docs --collection docs

To get a model, add a target and a route to tollgate.yaml; it is read again while Tollgate runs:

    targets:
      - name: openai
        provider: openai-compatible
        base_url: https://api.openai.com/v1
        api_key: ${OPENAI_API_KEY}
        models: [gpt-4o-mini]
    routes:
      - model: gpt-4o-mini
        targets: [openai]
`

// answer quotes the passages, or says why it cannot.
func answer(r *provider.Request) (string, []*llmv1.Citation) {
	q := ask(r.Conversation)
	var units []unit
	for i, p := range r.Passages {
		path := strings.Join(append([]string{p.GetTitle()}, p.GetHeadingPath()...), " ")
		units = append(units, split(i, path, p.GetText())...)
	}
	x := rank(q, units)
	chosen, fit := x.choose()
	switch {
	case len(r.Passages) == 0:
		return fmt.Sprintf(introduction, "No passage of a document came with this request."), nil
	case len(chosen) == 0 || fit < leastFit:
		return fmt.Sprintf(introduction, "Passages of documents came with this request, but none fits the question."), nil
	case fit < goodFit, q.wantsDefinition() && !slices.ContainsFunc(chosen, x.defines):
		return write(closest, x.arrange(x.complete(chosen[:min(2, len(chosen))])), r.Passages)
	default:
		return write(opening, x.arrange(x.complete(chosen)), r.Passages)
	}
}

// write composes the answer: the opening, the quotations with their markers, and
// a line that says where each comes from.
func write(opening string, quotes []quote, passages []*ragv1.Passage) (string, []*llmv1.Citation) {
	var b strings.Builder
	b.WriteString(opening)
	var citations []*llmv1.Citation
	var sources []string
	cited := map[int]bool{}
	for _, q := range quotes {
		marker := strconv.Itoa(q.passage + 1)
		b.WriteString("\n\n")
		writeQuote(&b, q, "["+marker+"]")
		if cited[q.passage] {
			continue
		}
		cited[q.passage] = true
		p := passages[q.passage]
		sources = append(sources, "["+marker+"] "+source(p))
		citations = append(citations, &llmv1.Citation{
			Marker: marker, Document: p.GetDocument(), Title: p.GetTitle(),
			StartByte: p.GetStartByte(), EndByte: p.GetEndByte(), Uri: p.GetUri(),
		})
	}
	b.WriteString("\n\nSources: " + strings.Join(sources, " · "))
	return b.String(), citations
}

// writeQuote writes a paragraph, with "…" where sentences were left out, or a
// list under the line that introduces it.
func writeQuote(b *strings.Builder, q quote, marker string) {
	if q.lead != nil {
		b.WriteString(q.lead.text + " " + marker + "\n")
		for _, u := range q.units {
			b.WriteString("\n- " + u.text)
		}
		return
	}
	for i, u := range q.units {
		if i > 0 {
			b.WriteString(joint(q.units[i-1], u))
		}
		if u.kind != sentence && len(q.units) > 1 {
			b.WriteString("- ")
		}
		b.WriteString(u.text)
	}
	b.WriteString(" " + marker)
	if last := q.units[len(q.units)-1]; last.code != "" {
		b.WriteString("\n\n" + last.code)
	}
}

func joint(before, after scored) string {
	switch {
	case after.kind != sentence:
		return "\n"
	case after.place > before.place+1:
		return " … "
	default:
		return " "
	}
}

// source names a passage for people: its title and the headings above it.
func source(p *ragv1.Passage) string {
	var names []string
	for _, name := range append([]string{p.GetTitle()}, p.GetHeadingPath()...) {
		if name = inline(name); name != "" && (len(names) == 0 || names[len(names)-1] != name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return p.GetDocument()
	}
	return strings.Join(names, " › ")
}

package pipeline

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/protobuf/proto"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// mayEnrich says whether context may be added.
func (r *request) mayEnrich(ctx context.Context) bool {
	enricher := r.pipeline.peers.Enricher
	if enricher == nil || r.conversation == nil || r.options.GetNoContext() {
		return false
	}
	return len(r.collections()) > 0 || r.pipeline.options.ContextRules && enricher.HasRules(ctx)
}

// collections are those that the client asks for, else the route's.
func (r *request) collections() []string {
	if asked := r.options.GetCollections(); len(asked) > 0 {
		return asked
	}
	return r.decision.Entry.Collections
}

// enrich finds what the model should know, and checks it: a document may hold
// what a policy forbids, or instructions to the model.
func enrich(ctx context.Context, r *request) (err error) {
	if !r.enriches {
		return nil
	}
	ctx, span := telemetry.Start(ctx, "router.enrich")
	defer func() { telemetry.End(span, err) }()
	entry := r.decision.Entry
	found, err := r.pipeline.peers.Enricher.Enrich(ctx, &ragv1.EnrichRequest{
		Messages: r.conversation.GetMessages(), Model: r.model, Collections: r.collections(),
		MaxTokens: entry.ContextTokens, Template: entry.Template,
	})
	switch {
	case err == nil:
	case r.lacksCollection(err):
		span.AddEvent("answered without context: the route's collection does not exist")
		return nil
	case r.pipeline.options.RagOpen && unavailable(ctx, err):
		r.note(ctx, span, "answered without context: rag is unavailable", err)
		return nil
	case unavailable(ctx, err):
		return peerDown("rag", err)
	default:
		return err
	}
	span.SetAttributes(attribute.Int("tollgate.rag.passages", len(found.GetPassages())),
		attribute.Int("tollgate.rag.tokens", int(found.GetTokens())))
	if found.GetContext() == "" {
		return nil
	}
	return r.guardContext(ctx, found)
}

// lacksCollection says whether a collection of the route's is missing, as on a
// fresh installation. That is no failure; if the client itself asked for the
// collection, it is the client's to know.
func (r *request) lacksCollection(err error) bool {
	return errs.Is(err, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND) && len(r.options.GetCollections()) == 0
}

// guardContext checks the block and the passages that it is made of. What a
// policy masks is masked in both; if it blocks, the prompt stays as it was.
func (r *request) guardContext(ctx context.Context, found *ragv1.EnrichResponse) error {
	on, err := r.guards(ctx, guardrailv1.Direction_DIRECTION_INPUT)
	if err != nil {
		return err
	}
	e := enrichment{found.GetContext(), found.GetPassages(), found.GetCitations()}
	if on {
		contents := contextContents(e)
		revisions, blocked, err := r.check(ctx, guardrailv1.Direction_DIRECTION_INPUT, contents)
		switch {
		case err != nil && unavailable(ctx, err) && r.pipeline.options.GuardrailOpen:
		case err != nil:
			return guardrailError(ctx, err)
		case blocked != nil:
			return nil // the notices say it
		}
		e.revise(revisions)
	}
	r.enrichment = e
	return nil
}

// contextContents are the texts to check: the block first, as the operator's
// own words, for what has to be masked; then the passages and their headings,
// which are a document's words, for instructions too.
func contextContents(e enrichment) []*guardrailv1.Content {
	contents := make([]*guardrailv1.Content, 0, 1+2*len(e.passages))
	contents = append(contents, &guardrailv1.Content{Kind: guardrailv1.ContentKind_CONTENT_KIND_INSTRUCTIONS, Text: e.text})
	for _, p := range e.passages {
		contents = append(contents, passage(p.GetText()))
	}
	for _, p := range e.passages {
		contents = append(contents, passage(p.GetTitle()+"\n"+strings.Join(p.GetHeadingPath(), "\n")))
	}
	return contents
}

func passage(text string) *guardrailv1.Content {
	return &guardrailv1.Content{Kind: guardrailv1.ContentKind_CONTENT_KIND_PASSAGE, Text: text}
}

// revise replaces the block (index 0) and passages (from 1); the headings
// behind them stand in the block.
func (e *enrichment) revise(revisions map[int]string) {
	for i, text := range revisions {
		if i == 0 {
			e.text = text
			continue
		}
		if i <= len(e.passages) {
			p := proto.Clone(e.passages[i-1]).(*ragv1.Passage)
			p.Text = text
			e.passages[i-1] = p
		}
	}
}

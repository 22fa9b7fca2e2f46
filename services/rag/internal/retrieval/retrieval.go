// Package retrieval finds the passages that fit a question, and makes of them
// the context of a conversation.
package retrieval

import (
	"cmp"
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
)

// Index searches chunks. Without collections it searches all of the
// organisation's.
type Index interface {
	Search(ctx context.Context, org string, collections []string, terms sparse.Vector, limit int) ([]corpus.Hit, error)
}

// Prompts gives the organisation's templates and rules.
type Prompts interface {
	Template(ctx context.Context, org, name string, version int) (prompts.Template, error)
	Rules(ctx context.Context, org string) ([]prompts.Rule, error)
}

// Options shape retrieval.
type Options struct {
	// Candidates is how many passages are considered for a context block; 24 when zero.
	Candidates int
	// DefaultTokens is the size of a block where the request names none; 2000 when zero.
	DefaultTokens int
}

// Retriever is safe for concurrent use.
type Retriever struct {
	index   Index
	prompts Prompts
	opts    Options
}

// New makes a retriever.
func New(index Index, prompts Prompts, opts Options) *Retriever {
	if opts.Candidates <= 0 {
		opts.Candidates = 24
	}
	if opts.DefaultTokens <= 0 {
		opts.DefaultTokens = 2000
	}
	return &Retriever{index: index, prompts: prompts, opts: opts}
}

// Scope says whose documents are searched, and which. No collections means
// all; the caller has checked that they are allowed.
type Scope struct {
	Organization string
	Collections  []string
}

// Retrieve finds the passages that fit best, the best first.
func (r *Retriever) Retrieve(ctx context.Context, scope Scope, query string, limit int) ([]corpus.Hit, error) {
	return r.search(ctx, scope, sparse.Query(query), limit)
}

func (r *Retriever) search(ctx context.Context, scope Scope, terms sparse.Vector, limit int) (hits []corpus.Hit, err error) {
	ctx, span := telemetry.Start(ctx, "rag.retrieve",
		attribute.Int("tollgate.rag.collections", len(scope.Collections)),
		attribute.Int("tollgate.rag.query_terms", len(terms.Indices)),
		attribute.Int("tollgate.rag.limit", limit))
	defer func() {
		span.SetAttributes(attribute.Int("tollgate.rag.passages", len(hits)))
		telemetry.End(span, err)
	}()
	hits, err = r.index.Search(ctx, scope.Organization, scope.Collections, terms, limit)
	if err != nil {
		return nil, err
	}
	// Servers order equal scores as they like; answers should repeat.
	slices.SortFunc(hits, func(a, b corpus.Hit) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score),
			cmp.Compare(a.Document.Collection, b.Document.Collection), cmp.Compare(a.Document.Name, b.Document.Name),
			cmp.Compare(a.Chunk.Ordinal, b.Chunk.Ordinal))
	})
	return hits, nil
}

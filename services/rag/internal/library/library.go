// Package library keeps an organisation's collections and documents: it takes
// documents in, replaces them when they change, and lists and deletes them.
package library

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/ingest"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
)

// Collections is what the library needs of a store to keep collections.
type Collections interface {
	PutCollection(ctx context.Context, org string, c corpus.Collection) error
	Collection(ctx context.Context, org, name string) (corpus.Collection, bool, error)
	Collections(ctx context.Context, org string) ([]corpus.Collection, error)
	DeleteCollection(ctx context.Context, org, name string) error
	Counts(ctx context.Context, org, collection string) (corpus.Counts, error)
}

// Documents is what the library needs of a store to keep documents. Replace
// puts all chunks in the place of those before at one moment.
type Documents interface {
	Document(ctx context.Context, org, collection, name string) (corpus.Document, bool, error)
	Documents(ctx context.Context, org, collection, token string, limit int) ([]corpus.Document, string, error)
	Replace(ctx context.Context, org string, doc corpus.Document, chunks []corpus.Chunk) error
	DeleteDocument(ctx context.Context, org, collection, name string) (bool, error)
}

// Store keeps both.
type Store interface {
	Collections
	Documents
}

// Options shape a library.
type Options struct {
	Limits ingest.Limits
	Terms  sparse.Params
	// MaxCollections bounds an organisation's collections; 1000 when zero.
	MaxCollections int
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Library is safe for concurrent use.
type Library struct {
	store   Store
	opts    Options
	locks   keyed
	known   known
	cutting chan struct{} // bounds how many documents are cut at once
}

// New makes a library over a store.
func New(store Store, opts Options) *Library {
	if opts.MaxCollections <= 0 {
		opts.MaxCollections = 1000
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Library{store: store, opts: opts, cutting: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// Source is a document to take in.
type Source struct {
	Collection, Name string
	Title            string // empty: the document's own
	URI              string
	MediaType        string // empty: by the name's ending
	Metadata         map[string]string
	Content          []byte
}

// Outcome is what was done with a source.
type Outcome int

// The outcomes of an ingest that did not fail.
const (
	Created Outcome = iota + 1
	Replaced
	Unchanged
)

// Ingest takes one document in. A document whose content and description are
// unchanged is left alone. An *ingest.Error says that the document itself
// cannot be taken; what was there before stays.
func (l *Library) Ingest(ctx context.Context, org string, src Source) (doc corpus.Document, outcome Outcome, err error) {
	ctx, span := telemetry.Start(ctx, "rag.ingest", attribute.Int("tollgate.rag.bytes", len(src.Content)))
	defer func() {
		span.SetAttributes(attribute.Int("tollgate.rag.chunks", doc.Chunks), attribute.Bool("tollgate.rag.unchanged", outcome == Unchanged))
		telemetry.End(span, err)
	}()
	if src.MediaType == "" {
		src.MediaType = ingest.MediaType(src.Name)
	}
	unlock, err := l.locks.lock(ctx, org+"\x00"+src.Collection+"\x00"+src.Name)
	if err != nil {
		return doc, 0, err
	}
	defer unlock()
	version := l.version(src)
	before, known, err := l.store.Document(ctx, org, src.Collection, src.Name)
	if err != nil {
		return doc, 0, err
	}
	if known && before.Version == version {
		return before, Unchanged, nil
	}
	doc, chunks, err := l.cut(ctx, src, version)
	if err != nil {
		return doc, 0, err
	}
	if err := l.ensure(ctx, org, src.Collection); err != nil {
		return doc, 0, err
	}
	if err := l.store.Replace(ctx, org, doc, chunks); err != nil {
		return doc, 0, err
	}
	if known {
		return doc, Replaced, nil
	}
	return doc, Created, nil
}

// version is a digest of all that decides what is stored.
func (l *Library) version(src Source) string {
	h := sha256.New()
	add := func(s string) { _, _ = fmt.Fprintf(h, "%d:%s", len(s), s) }
	for _, s := range []string{ingest.Version, fmt.Sprint(l.opts.Limits), l.opts.Terms.Fingerprint(), src.Title, src.URI, src.MediaType} {
		add(s)
	}
	for _, k := range slices.Sorted(maps.Keys(src.Metadata)) {
		add(k)
		add(src.Metadata[k])
	}
	_, _ = h.Write(src.Content)
	return hex.EncodeToString(h.Sum(nil))
}

// cut makes the chunks. It is the part that costs processor time, so only so
// many run at once.
func (l *Library) cut(ctx context.Context, src Source, version string) (corpus.Document, []corpus.Chunk, error) {
	select {
	case l.cutting <- struct{}{}:
		defer func() { <-l.cutting }()
	case <-ctx.Done():
		return corpus.Document{}, nil, ctx.Err()
	}
	result, err := ingest.Cut(src.Content, src.MediaType, l.opts.Limits)
	if err != nil {
		return corpus.Document{}, nil, err
	}
	hash := sha256.Sum256(src.Content)
	doc := corpus.Document{
		Collection: src.Collection, Name: src.Name, Title: src.Title, URI: src.URI, MediaType: src.MediaType,
		Metadata: src.Metadata, Size: int64(len(src.Content)), Hash: hex.EncodeToString(hash[:]),
		Version: version, Chunks: len(result.Chunks), Updated: l.opts.Now().UTC(),
	}
	if doc.Title == "" {
		doc.Title = result.Title
	}
	chunks := make([]corpus.Chunk, len(result.Chunks))
	for i, c := range result.Chunks {
		chunks[i] = corpus.Chunk{
			Ordinal: i, Start: c.Start, End: c.End, Text: c.Text, Headings: c.Headings,
			Terms: l.opts.Terms.Document(above(doc.Title, c), c.Text),
		}
		if i > 0 && src.MediaType != ingest.HTML {
			chunks[i].Lead = between(src.Content, result.Chunks[i-1].End, c.Start)
		}
	}
	return doc, chunks, nil
}

// maxLead is the most white space that is kept between two chunks.
const maxLead = 64

func between(src []byte, from, to int) string {
	if to <= from || to-from > maxLead {
		return ""
	}
	return string(src[from:to])
}

// above is the title and the headings over a chunk that are not in its text.
func above(title string, c ingest.Chunk) string {
	var out []string
	for _, s := range append([]string{title}, c.Headings...) {
		if !strings.Contains(c.Text, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return strings.Join(out, "\n")
}

// IsRefusal reports whether the error is about the document itself and gives
// the reason for people.
func IsRefusal(err error) (string, bool) {
	var refused *ingest.Error
	if errors.As(err, &refused) {
		return refused.Error(), true
	}
	return "", false
}

// Document finds one document.
func (l *Library) Document(ctx context.Context, org, collection, name string) (corpus.Document, error) {
	doc, ok, err := l.store.Document(ctx, org, collection, name)
	if err == nil && !ok {
		err = notFound("collections/%s/documents/%s", collection, name)
	}
	return doc, err
}

// Documents lists a page of a collection's documents.
func (l *Library) Documents(ctx context.Context, org, collection, token string, limit int) ([]corpus.Document, string, error) {
	if _, err := l.collection(ctx, org, collection); err != nil {
		return nil, "", err
	}
	return l.store.Documents(ctx, org, collection, token, limit)
}

// DeleteDocument deletes a document; nothing of it can be found afterwards.
func (l *Library) DeleteDocument(ctx context.Context, org, collection, name string) error {
	unlock, err := l.locks.lock(ctx, org+"\x00"+collection+"\x00"+name)
	if err != nil {
		return err
	}
	defer unlock()
	ok, err := l.store.DeleteDocument(ctx, org, collection, name)
	if err == nil && !ok {
		err = notFound("collections/%s/documents/%s", collection, name)
	}
	return err
}

func notFound(format string, args ...any) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, format+" does not exist", args...)
}

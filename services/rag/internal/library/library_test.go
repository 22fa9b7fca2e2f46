package library_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/ingest"
	"github.com/tollgate/tollgate/services/rag/internal/library"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options() library.Options {
	return library.Options{
		Limits: ingest.DefaultLimits(), Terms: sparse.DefaultParams(), MaxCollections: 3,
		Now: func() time.Time { return time.UnixMilli(1_700_000_000_000) },
	}
}

func reason(err error) llmv1.ErrorReason { return errs.From(err).Reason }

func source(name, content string) library.Source {
	return library.Source{Collection: "c", Name: name, Content: []byte(content)}
}

func take(t *testing.T, l *library.Library, src library.Source) (corpus.Document, library.Outcome) {
	t.Helper()
	doc, outcome, err := l.Ingest(t.Context(), "o", src)
	if err != nil {
		t.Fatal(err)
	}
	return doc, outcome
}

func TestIngestIsIdempotent(t *testing.T) {
	s := storetest.Embedded(t)
	l := library.New(s, options())
	doc, outcome := take(t, l, source("a.md", "# Tigers\n\nTigers eat meat.\n"))
	if outcome != library.Created || doc.Title != "Tigers" || doc.Chunks != 1 || doc.MediaType != ingest.Markdown || len(doc.Hash) != 64 {
		t.Errorf("%v %+v", outcome, doc)
	}
	again, outcome := take(t, l, source("a.md", "# Tigers\n\nTigers eat meat.\n"))
	if outcome != library.Unchanged || fmt.Sprint(again) != fmt.Sprint(doc) {
		t.Errorf("%v %+v", outcome, again)
	}
	titled := source("a.md", "# Tigers\n\nTigers eat meat.\n")
	titled.Title = "About tigers"
	if doc, outcome = take(t, l, titled); outcome != library.Replaced || doc.Title != "About tigers" {
		t.Errorf("another title: %v %+v", outcome, doc)
	}
	if _, outcome = take(t, l, source("a.md", "# Lions\n\nLions sleep.\n")); outcome != library.Replaced {
		t.Errorf("another content: %v", outcome)
	}
	hits, err := s.Search(t.Context(), "o", nil, sparse.Query("tigers"), 10)
	if err != nil || len(hits) != 0 {
		t.Errorf("the old content is found: %v %v", hits, err)
	}
	other := options()
	other.Terms.K1++ // weights of another kind: the chunks must be made again
	if _, outcome = take(t, library.New(s, other), source("a.md", "# Lions\n\nLions sleep.\n")); outcome != library.Replaced {
		t.Errorf("other parameters: %v", outcome)
	}
}

func TestChunksQuoteTheirSource(t *testing.T) {
	s := storetest.Embedded(t)
	l := library.New(s, options())
	content := "# T\n\n" + strings.Repeat("A tiger walks here. It looks around.\n\n", 200)
	take(t, l, source("a.md", content))
	hits, err := s.Search(t.Context(), "o", nil, sparse.Query("tiger"), 100)
	if err != nil || len(hits) < 5 {
		t.Fatalf("%d hits, %v", len(hits), err)
	}
	for _, h := range hits {
		c := h.Chunk
		if content[c.Start:c.End] != c.Text || !c.Verbatim() {
			t.Errorf("%d to %d: %q", c.Start, c.End, c.Text)
		}
		if c.Ordinal > 0 && content[c.Start-len(c.Lead):c.Start] != c.Lead {
			t.Errorf("lead %q", c.Lead)
		}
	}
}

func TestFailureLeavesWhatWasThere(t *testing.T) {
	s := storetest.Embedded(t)
	l := library.New(s, options())
	take(t, l, source("a.txt", "Tigers eat meat."))
	_, _, err := l.Ingest(t.Context(), "o", source("a.txt", " \n"))
	if why, ok := library.IsRefusal(err); !ok || !strings.Contains(why, "no text") {
		t.Errorf("%v", err)
	}
	if _, ok := library.IsRefusal(errors.New("x")); ok {
		t.Error("any error is taken for a refusal")
	}
	if hits, err := s.Search(t.Context(), "o", nil, sparse.Query("tigers"), 10); err != nil || len(hits) != 1 {
		t.Errorf("%v %v", hits, err)
	}
}

func TestCollections(t *testing.T) {
	l := library.New(storetest.Embedded(t), options())
	ctx := t.Context()
	c, err := l.CreateCollection(ctx, "o", corpus.Collection{Name: "b", Description: "d"})
	if err != nil || c.Created.IsZero() {
		t.Fatal(c, err)
	}
	_, err = l.CreateCollection(ctx, "o", corpus.Collection{Name: "b"})
	if reason(err) != llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS {
		t.Errorf("again: %v", err)
	}
	take(t, l, source("a.txt", "Tigers eat meat.")) // makes c
	if _, n, err := l.Collection(ctx, "o", "c"); err != nil || n != (corpus.Counts{Documents: 1, Chunks: 1}) {
		t.Errorf("%+v %v", n, err)
	}
	if _, err := l.CreateCollection(ctx, "o", corpus.Collection{Name: "x"}); err != nil {
		t.Error(err)
	}
	_, err = l.CreateCollection(ctx, "o", corpus.Collection{Name: "y"})
	if reason(err) != llmv1.ErrorReason_ERROR_REASON_CONFLICT {
		t.Errorf("one too many: %v", err)
	}
	if list, err := l.Collections(ctx, "o"); err != nil || len(list) != 3 {
		t.Errorf("%v %v", list, err)
	}
	if err := l.DeleteCollection(ctx, "o", "c"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"document":   func() error { _, err := l.Document(ctx, "o", "c", "a.txt"); return err }(),
		"documents":  func() error { _, _, err := l.Documents(ctx, "o", "c", "", 10); return err }(),
		"collection": l.DeleteCollection(ctx, "o", "c"),
		"deletion":   l.DeleteDocument(ctx, "o", "c", "a.txt"),
	} {
		if reason(err) != llmv1.ErrorReason_ERROR_REASON_NOT_FOUND {
			t.Errorf("%s of a deleted collection: %v", name, err)
		}
	}
}

func TestOneDocumentFromManySides(t *testing.T) {
	s := storetest.Embedded(t)
	l := library.New(s, options())
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, _, err := l.Ingest(t.Context(), "o", source("a.txt", fmt.Sprintf("Tigers eat %d kilos.", i))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	n, err := s.Counts(t.Context(), "o", "c")
	if err != nil || n != (corpus.Counts{Documents: 1, Chunks: 1}) {
		t.Errorf("%+v %v", n, err)
	}
	if err := l.DeleteDocument(t.Context(), "o", "c", "a.txt"); err != nil {
		t.Error(err)
	}
}

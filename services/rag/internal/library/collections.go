package library

import (
	"context"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
)

// CreateCollection makes an empty collection.
func (l *Library) CreateCollection(ctx context.Context, org string, c corpus.Collection) (corpus.Collection, error) {
	unlock, err := l.locks.lock(ctx, org)
	if err != nil {
		return c, err
	}
	defer unlock()
	list, err := l.store.Collections(ctx, org)
	if err != nil {
		return c, err
	}
	for _, other := range list {
		if other.Name == c.Name {
			return c, errs.New(llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, "collections/%s exists already", c.Name)
		}
	}
	if len(list) >= l.opts.MaxCollections {
		return c, errs.New(llmv1.ErrorReason_ERROR_REASON_CONFLICT, "an organisation may have %d collections", l.opts.MaxCollections)
	}
	c.Created = l.opts.Now().UTC()
	return c, l.store.PutCollection(ctx, org, c)
}

// ensure makes the collection unless it is there.
func (l *Library) ensure(ctx context.Context, org, name string) error {
	_, ok, err := l.store.Collection(ctx, org, name)
	if err != nil || ok {
		return err
	}
	_, err = l.CreateCollection(ctx, org, corpus.Collection{Name: name})
	if err != nil && errs.From(err).Reason == llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS {
		return nil // someone else was faster
	}
	return err
}

func (l *Library) collection(ctx context.Context, org, name string) (corpus.Collection, error) {
	c, ok, err := l.store.Collection(ctx, org, name)
	if err == nil && !ok {
		err = notFound("collections/%s", name)
	}
	return c, err
}

// Collection finds a collection with its counts.
func (l *Library) Collection(ctx context.Context, org, name string) (corpus.Collection, corpus.Counts, error) {
	c, err := l.collection(ctx, org, name)
	if err != nil {
		return c, corpus.Counts{}, err
	}
	n, err := l.store.Counts(ctx, org, name)
	return c, n, err
}

// Collections lists the collections by name, without counts.
func (l *Library) Collections(ctx context.Context, org string) ([]corpus.Collection, error) {
	return l.store.Collections(ctx, org)
}

// Counts counts what a collection holds.
func (l *Library) Counts(ctx context.Context, org, name string) (corpus.Counts, error) {
	return l.store.Counts(ctx, org, name)
}

// DeleteCollection deletes a collection and all that is in it.
func (l *Library) DeleteCollection(ctx context.Context, org, name string) error {
	unlock, err := l.locks.lock(ctx, org)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := l.collection(ctx, org, name); err != nil {
		return err
	}
	defer l.known.drop(org + "\x00" + name)
	return l.store.DeleteCollection(ctx, org, name)
}

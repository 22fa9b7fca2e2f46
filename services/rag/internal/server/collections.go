package server

import (
	"context"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
)

// CreateCollection makes an empty collection.
func (s *Server) CreateCollection(ctx context.Context, in *ragv1.CreateCollectionRequest) (*ragv1.CreateCollectionResponse, error) {
	p, err := caller(ctx, writers...)
	if err != nil {
		return nil, err
	}
	name, err := collectionOf(p, "collection.name", in.GetCollection().GetName())
	if err != nil {
		return nil, err
	}
	c, err := s.library.CreateCollection(ctx, p.Organization, corpus.Collection{Name: name, Description: in.GetCollection().GetDescription()})
	if err != nil {
		return nil, err
	}
	return &ragv1.CreateCollectionResponse{Collection: collectionMessage(c, corpus.Counts{})}, nil
}

// GetCollection returns one collection with its counts.
func (s *Server) GetCollection(ctx context.Context, in *ragv1.GetCollectionRequest) (*ragv1.GetCollectionResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	name, err := collectionOf(p, "name", in.GetName())
	if err != nil {
		return nil, err
	}
	c, n, err := s.library.Collection(ctx, p.Organization, name)
	if err != nil {
		return nil, err
	}
	return &ragv1.GetCollectionResponse{Collection: collectionMessage(c, n)}, nil
}

// ListCollections lists the collections that the caller may read, by name.
func (s *Server) ListCollections(ctx context.Context, in *ragv1.ListCollectionsRequest) (*ragv1.ListCollectionsResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.library.Collections(ctx, p.Organization)
	if err != nil {
		return nil, err
	}
	var visible []corpus.Collection
	for _, c := range list {
		if p.MayRead(collectionPrefix + c.Name) {
			visible = append(visible, c)
		}
	}
	visible, next, err := page(visible, func(c corpus.Collection) string { return c.Name }, in.GetPageSize(), in.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &ragv1.ListCollectionsResponse{NextPageToken: next}
	for _, c := range visible {
		n, err := s.library.Counts(ctx, p.Organization, c.Name)
		if err != nil {
			return nil, err
		}
		out.Collections = append(out.Collections, collectionMessage(c, n))
	}
	return out, nil
}

// DeleteCollection deletes a collection and all that is in it.
func (s *Server) DeleteCollection(ctx context.Context, in *ragv1.DeleteCollectionRequest) (*ragv1.DeleteCollectionResponse, error) {
	p, err := caller(ctx, writers...)
	if err != nil {
		return nil, err
	}
	name, err := collectionOf(p, "name", in.GetName())
	if err != nil {
		return nil, err
	}
	return &ragv1.DeleteCollectionResponse{}, s.library.DeleteCollection(ctx, p.Organization, name)
}

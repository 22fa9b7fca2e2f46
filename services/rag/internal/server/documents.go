package server

import (
	"context"

	"github.com/google/uuid"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
)

// GetDocument returns what is known of a document.
func (s *Server) GetDocument(ctx context.Context, in *ragv1.GetDocumentRequest) (*ragv1.GetDocumentResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	collection, name, err := documentOf(p, "name", in.GetName())
	if err != nil {
		return nil, err
	}
	doc, err := s.library.Document(ctx, p.Organization, collection, name)
	if err != nil {
		return nil, err
	}
	return &ragv1.GetDocumentResponse{Document: documentMessage(doc)}, nil
}

// ListDocuments lists the documents of a collection.
func (s *Server) ListDocuments(ctx context.Context, in *ragv1.ListDocumentsRequest) (*ragv1.ListDocumentsResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	collection, err := collectionOf(p, "parent", in.GetParent())
	if err != nil {
		return nil, err
	}
	if in.GetPageToken() != "" && uuid.Validate(in.GetPageToken()) != nil {
		return nil, invalid("page_token", "the page token is not one of ours")
	}
	size := int(in.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	docs, next, err := s.library.Documents(ctx, p.Organization, collection, in.GetPageToken(), size)
	if err != nil {
		return nil, err
	}
	out := &ragv1.ListDocumentsResponse{NextPageToken: next}
	for _, d := range docs {
		out.Documents = append(out.Documents, documentMessage(d))
	}
	return out, nil
}

// DeleteDocument deletes a document and verifies that nothing of it can be found.
func (s *Server) DeleteDocument(ctx context.Context, in *ragv1.DeleteDocumentRequest) (*ragv1.DeleteDocumentResponse, error) {
	p, err := caller(ctx, writers...)
	if err != nil {
		return nil, err
	}
	collection, name, err := documentOf(p, "name", in.GetName())
	if err != nil {
		return nil, err
	}
	return &ragv1.DeleteDocumentResponse{}, s.library.DeleteDocument(ctx, p.Organization, collection, name)
}

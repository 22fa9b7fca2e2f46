// Package server speaks the rag contract over gRPC.
package server

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/metric"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/library"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
	"github.com/tollgate/tollgate/services/rag/internal/retrieval"
)

// Server answers RagService.
type Server struct {
	ragv1.UnimplementedRagServiceServer

	library     *library.Library
	prompts     *prompts.Prompts
	retriever   *retrieval.Retriever
	maxDocument int
	ingested    metric.Int64Counter
}

// New builds a server. maxDocument is the largest document, in bytes.
func New(l *library.Library, p *prompts.Prompts, r *retrieval.Retriever, maxDocument int, m metric.Meter) (*Server, error) {
	ingested, err := m.Int64Counter("tollgate.rag.documents",
		metric.WithDescription("Documents taken in, by outcome."), metric.WithUnit("{document}"))
	if err != nil {
		return nil, fmt.Errorf("make rag metrics: %w", err)
	}
	return &Server{library: l, prompts: p, retriever: r, maxDocument: maxDocument, ingested: ingested}, nil
}

// Who may change what.
var (
	writers = []string{auth.RoleAdmin, auth.RoleDeveloper, auth.RoleOperator, auth.RoleService}
	editors = []string{auth.RoleAdmin, auth.RoleOperator, auth.RoleService}
)

// caller returns the principal, who must act for an organisation. That
// organisation is the only one that the call can touch.
func caller(ctx context.Context, roles ...string) (*auth.Principal, error) {
	p, err := auth.Require(ctx, roles...)
	if err != nil {
		return nil, err
	}
	if p.Organization == "" {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "this needs a key of an organisation")
	}
	return p, nil
}

const (
	collectionPrefix = "collections/"
	documentInfix    = "/documents/"
	templatePrefix   = "templates/"
	rulePrefix       = "contextRules/"
)

func invalid(field, format string, args ...any) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, format, args...).WithField(field)
}

// collectionOf reads collections/{collection} and checks that the caller may
// use it.
func collectionOf(p *auth.Principal, field, name string) (string, error) {
	id, ok := strings.CutPrefix(name, collectionPrefix)
	if !ok || id == "" || strings.Contains(id, "/") {
		return "", invalid(field, "%s must be collections/{collection}", field)
	}
	if !p.MayRead(name) {
		return "", errs.New(llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "the key may not use this collection").WithField(field)
	}
	return id, nil
}

// documentOf reads collections/{collection}/documents/{document}.
func documentOf(p *auth.Principal, field, name string) (collection, document string, err error) {
	parent, document, ok := strings.Cut(name, documentInfix)
	if !ok || document == "" || strings.Contains(document, "/") {
		return "", "", invalid(field, "%s must be collections/{collection}/documents/{document}", field)
	}
	collection, err = collectionOf(p, field, parent)
	return collection, document, err
}

// collectionsOf reads a list of collections. Without one the caller gets all
// that the key may use: no list means no limit, and every name is checked.
func (s *Server) collectionsOf(ctx context.Context, p *auth.Principal, names []string) ([]string, error) {
	if len(names) == 0 {
		return s.readable(ctx, p)
	}
	out := make([]string, len(names))
	for i, n := range names {
		var err error
		if out[i], err = collectionOf(p, fmt.Sprintf("collections[%d]", i), n); err != nil {
			return nil, err
		}
	}
	return out, s.library.CheckCollections(ctx, p.Organization, out)
}

// readable are the collections of a limited key; nil for one without limit.
func (s *Server) readable(ctx context.Context, p *auth.Principal) ([]string, error) {
	if len(p.AllowedCollections) == 0 {
		return nil, nil
	}
	list, err := s.library.Collections(ctx, p.Organization)
	if err != nil {
		return nil, err
	}
	out := []string{}
	for _, c := range list {
		if p.MayRead(collectionPrefix + c.Name) {
			out = append(out, c.Name)
		}
	}
	return out, nil
}

const defaultPage = 100

// page cuts a page out of a list that is sorted by name. The token is the name
// of the last element of the page before, so that pages hold while the list
// changes.
func page[T any](list []T, name func(T) string, size int32, token string) ([]T, string, error) {
	if size == 0 {
		size = defaultPage
	}
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, "", invalid("page_token", "the page token is not one of ours")
	}
	from := 0
	for token != "" && from < len(list) && name(list[from]) <= string(after) {
		from++
	}
	list = list[from:]
	if len(list) <= int(size) {
		return list, "", nil
	}
	list = list[:size]
	return list, base64.RawURLEncoding.EncodeToString([]byte(name(list[size-1]))), nil
}

package server

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
)

const defaultPageSize = 100

// ListModels lists the models that the caller may ask for.
func (s *Server) ListModels(ctx context.Context, r *routerv1.ListModelsRequest) (*routerv1.ListModelsResponse, error) {
	p, err := auth.Require(ctx)
	if err != nil {
		return nil, err
	}
	page, next, err := page(s.catalog.Models(p), (*routerv1.Model).GetId, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &routerv1.ListModelsResponse{Models: page, NextPageToken: next}, nil
}

// ListTargets lists the targets with their health.
func (s *Server) ListTargets(ctx context.Context, r *routerv1.ListTargetsRequest) (*routerv1.ListTargetsResponse, error) {
	if _, err := auth.Require(ctx, auth.RoleAdmin); err != nil {
		return nil, err
	}
	page, next, err := page(s.catalog.Targets(), (*routerv1.Target).GetName, r.GetPageSize(), r.GetPageToken())
	if err != nil {
		return nil, err
	}
	return &routerv1.ListTargetsResponse{Targets: page, NextPageToken: next}, nil
}

// ExplainRoute says where a conversation would go, and why.
func (s *Server) ExplainRoute(ctx context.Context, r *routerv1.ExplainRouteRequest) (*routerv1.ExplainRouteResponse, error) {
	p, err := auth.Require(ctx, pipeline.Callers...)
	if err != nil {
		return nil, err
	}
	decision, err := s.catalog.Explain(ctx, &pipeline.Call{
		Principal: p, Conversation: r.GetConversation(), Options: r.GetOptions(),
	}, r.GetStream())
	if err != nil {
		return nil, err
	}
	return &routerv1.ExplainRouteResponse{Decision: decision}, nil
}

// page cuts a page out of a list, by name. A token holds the last name of the
// page before, so that a list that changes in between skips and repeats nothing.
func page[T any](all []T, name func(T) string, size int32, token string) ([]T, string, error) {
	after, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, "", errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the page token cannot be read").WithField("page_token")
	}
	if size <= 0 {
		size = defaultPageSize
	}
	slices.SortFunc(all, func(a, b T) int { return strings.Compare(name(a), name(b)) })
	start := 0
	if token != "" {
		start, _ = slices.BinarySearchFunc(all, string(after), func(item T, after string) int {
			if name(item) <= after {
				return -1
			}
			return 1
		})
	}
	end := min(start+int(size), len(all))
	if end == len(all) {
		return all[start:], "", nil
	}
	return all[start:end], base64.RawURLEncoding.EncodeToString([]byte(name(all[end-1]))), nil
}

// Package server is the gRPC face of the billing service: it reads messages,
// checks what the caller may do, and turns domain errors into public ones.
// The organisation always comes from the caller's principal.
package server

import (
	"context"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// member returns the caller, who must belong to an organisation. Without
// roles, any will do.
func member(ctx context.Context, roles ...string) (*auth.Principal, error) {
	p, err := auth.Require(ctx, roles...)
	if err != nil {
		return nil, err
	}
	if p.Organization == "" {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "this needs a key of an organisation")
	}
	return p, nil
}

// manager returns a caller who may manage the organisation.
func manager(ctx context.Context) (*auth.Principal, error) {
	return member(ctx, auth.RoleAdmin, auth.RoleOperator)
}

// internal refuses everybody but Tollgate's own services. If such a service
// acts for somebody, it may do so only in that caller's organisation.
func internal(ctx context.Context, organization string) error {
	p, err := auth.Require(ctx)
	if err != nil {
		return err
	}
	if !p.Internal || (p.Organization != "" && organization != "" && p.Organization != organization) {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "this is for Tollgate's own services")
	}
	return nil
}

// actor is the caller as the audit log names them.
func actor(p *auth.Principal) account.Actor {
	name := "system"
	if p.Key != "" {
		name = "keys/" + p.Key
	}
	return account.Actor{Organization: p.Organization, Name: name, Operator: p.HasRole(auth.RoleOperator)}
}

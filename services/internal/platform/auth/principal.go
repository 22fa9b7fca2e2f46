// Package auth says who calls. A Principal comes from a key that a KeyResolver
// knows, or from another Tollgate service that holds the internal token and
// forwards its own caller. Tenancy is read from the Principal and from nowhere
// else.
package auth

import (
	"context"
	"slices"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Roles of a principal.
const (
	// RoleOperator manages the organisations and the installation.
	RoleOperator = "operator"
	// RoleAdmin manages the organisation.
	RoleAdmin = "admin"
	// RoleDeveloper uses models and manages own keys.
	RoleDeveloper = "developer"
	// RoleViewer reads reports.
	RoleViewer = "viewer"
	// RoleService is a Tollgate service acting for itself.
	RoleService = "service"
)

// Principal is an authenticated caller. It is shared between requests: treat
// it as read-only.
type Principal struct {
	// Organization is the id of the tenant. Empty only for RoleService.
	Organization string `json:"org,omitempty"`
	// Team, User and Key are ids inside the organisation; any may be empty.
	Team string `json:"team,omitempty"`
	User string `json:"user,omitempty"`
	Key  string `json:"key,omitempty"`
	// Roles holds the caller's roles.
	Roles []string `json:"roles,omitempty"`
	// AllowedModels limits the models; empty means any. A trailing * matches
	// any rest.
	AllowedModels []string `json:"models,omitempty"`
	// AllowedCollections limits the collections that may be searched, by
	// resource name (collections/{collection}); empty means any.
	AllowedCollections []string `json:"collections,omitempty"`
	// Residency is the jurisdiction that the key's requests must not leave, and
	// Compliance the class that their targets must have; empty for none.
	Residency  string `json:"residency,omitempty"`
	Compliance string `json:"compliance,omitempty"`
	// Limits holds the key's rates.
	Limits Limits `json:"limits,omitzero"`
	// ExpireTime is when the key ends; zero means never. The cache does not
	// outlive it.
	ExpireTime time.Time `json:"expires,omitzero"`
	// Internal says that the call came from another Tollgate service. It is
	// never taken from a message.
	Internal bool `json:"-"`
}

// Limits are rates of a key; 0 means unlimited.
type Limits struct {
	RequestsPerMinute int64 `json:"rpm,omitempty"`
	TokensPerMinute   int64 `json:"tpm,omitempty"`
}

// HasRole reports whether the principal has any of the roles.
func (p *Principal) HasRole(roles ...string) bool {
	for _, r := range roles {
		if slices.Contains(p.Roles, r) {
			return true
		}
	}
	return false
}

// MayUse reports whether the principal may use a model.
func (p *Principal) MayUse(model string) bool { return allows(p.AllowedModels, model) }

// MayRead reports whether the principal may read a collection.
func (p *Principal) MayRead(collection string) bool { return allows(p.AllowedCollections, collection) }

// allows matches a name against a list; an empty list allows any.
func allows(list []string, name string) bool {
	for _, allowed := range list {
		prefix, wild := strings.CutSuffix(allowed, "*")
		if allowed == name || wild && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return len(list) == 0
}

type contextKey struct{}

// NewContext returns a context that carries the principal.
func NewContext(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext returns the principal of a call.
func FromContext(ctx context.Context) (*Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(*Principal)
	return p, ok && p != nil
}

// Require returns the principal if it has any of the roles (or any at all
// when none is asked for), else UNAUTHENTICATED or PERMISSION_DENIED.
func Require(ctx context.Context, roles ...string) (*Principal, error) {
	p, ok := FromContext(ctx)
	if !ok {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	if len(roles) > 0 && !p.HasRole(roles...) {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
			"this needs the role %s", strings.Join(roles, " or "))
	}
	return p, nil
}

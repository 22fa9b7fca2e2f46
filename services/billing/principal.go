package billing

import (
	"context"
	"strings"
	"time"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing/internal/server"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// KeyResolver resolves keys in this process.
func (s *Service) KeyResolver() auth.KeyResolver { return resolver{s.account} }

type resolver struct{ account *server.Account }

var _ auth.SigningKeyResolver = resolver{}

// ResolveKey implements auth.KeyResolver.
func (r resolver) ResolveKey(ctx context.Context, key secret.String) (*auth.Principal, error) {
	owner, err := r.account.Owner(ctx, key)
	if err != nil {
		return nil, err
	}
	return Principal(owner), nil
}

// ResolveSigningKey implements auth.SigningKeyResolver.
func (r resolver) ResolveSigningKey(ctx context.Context, scope auth.SigningScope) (*auth.Principal, secret.String, error) {
	return Signer(r.account.Signer(ctx, SigningRequest(scope)))
}

// SigningRequest asks for the signing key of a scope.
func SigningRequest(scope auth.SigningScope) *accountv1.ResolveSigningKeyRequest {
	return &accountv1.ResolveSigningKeyRequest{
		AccessKeyId: scope.AccessKeyID, Date: scope.Date, Region: scope.Region, Service: scope.Service,
	}
}

// Signer is the answer to a SigningRequest as the authenticator takes it.
func Signer(owner *accountv1.ResolveSigningKeyResponse, err error) (*auth.Principal, secret.String, error) {
	if err != nil {
		return nil, secret.String{}, err
	}
	return Principal(owner), secret.New(string(owner.GetSigningKey())), nil
}

// Owner is an answer that says whose a key is.
type Owner interface {
	GetOrganization() string
	GetKey() *accountv1.Key
}

// Principal is the caller that a resolved key stands for.
func Principal(owner Owner) *auth.Principal {
	key := owner.GetKey()
	p := &auth.Principal{
		Organization:       strings.TrimPrefix(owner.GetOrganization(), "organizations/"),
		Team:               strings.TrimPrefix(key.GetTeam(), "teams/"),
		User:               strings.TrimPrefix(key.GetUser(), "users/"),
		Key:                strings.TrimPrefix(key.GetName(), "keys/"),
		AllowedModels:      key.GetAllowedModels(),
		AllowedCollections: key.GetAllowedCollections(),
		Residency:          key.GetResidency(),
		Compliance:         key.GetCompliance(),
		Limits:             auth.Limits{RequestsPerMinute: key.GetRequestsPerMinute(), TokensPerMinute: key.GetTokensPerMinute()},
		ExpireTime:         expiry(key),
	}
	for _, role := range key.GetRoles() {
		p.Roles = append(p.Roles, roleNames[role])
	}
	return p
}

func expiry(key *accountv1.Key) time.Time {
	if key.GetExpireTime() == nil {
		return time.Time{}
	}
	return key.GetExpireTime().AsTime()
}

var roleNames = map[accountv1.Role]string{
	accountv1.Role_ROLE_VIEWER: auth.RoleViewer, accountv1.Role_ROLE_DEVELOPER: auth.RoleDeveloper,
	accountv1.Role_ROLE_ADMIN: auth.RoleAdmin, accountv1.Role_ROLE_OPERATOR: auth.RoleOperator,
}

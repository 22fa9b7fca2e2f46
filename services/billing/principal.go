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

// ResolveKey implements auth.KeyResolver.
func (r resolver) ResolveKey(ctx context.Context, key secret.String) (*auth.Principal, error) {
	owner, err := r.account.Owner(ctx, key)
	if err != nil {
		return nil, err
	}
	return Principal(owner), nil
}

// Principal is the caller that a resolved key stands for.
func Principal(owner *accountv1.ResolveKeyResponse) *auth.Principal {
	key := owner.GetKey()
	p := &auth.Principal{
		Organization:       strings.TrimPrefix(owner.GetOrganization(), "organizations/"),
		Team:               strings.TrimPrefix(key.GetTeam(), "teams/"),
		User:               strings.TrimPrefix(key.GetUser(), "users/"),
		Key:                strings.TrimPrefix(key.GetName(), "keys/"),
		AllowedModels:      key.GetAllowedModels(),
		AllowedCollections: key.GetAllowedCollections(),
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

package server

import (
	"context"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

var rolesFromProto = map[accountv1.Role]account.Role{
	accountv1.Role_ROLE_VIEWER: account.Viewer, accountv1.Role_ROLE_DEVELOPER: account.Developer,
	accountv1.Role_ROLE_ADMIN: account.Admin, accountv1.Role_ROLE_OPERATOR: account.Operator,
}

var rolesToProto = map[account.Role]accountv1.Role{
	account.Viewer: accountv1.Role_ROLE_VIEWER, account.Developer: accountv1.Role_ROLE_DEVELOPER,
	account.Admin: accountv1.Role_ROLE_ADMIN, account.Operator: accountv1.Role_ROLE_OPERATOR,
}

func keyFromProto(k *accountv1.Key) account.Key {
	key := account.Key{
		DisplayName: k.GetDisplayName(), Team: id("teams", k.GetTeam()), User: id("users", k.GetUser()),
		AllowedModels: k.GetAllowedModels(), AllowedCollections: k.GetAllowedCollections(),
		Residency: k.GetResidency(), Compliance: k.GetCompliance(),
		RequestsPerMinute: k.GetRequestsPerMinute(), TokensPerMinute: k.GetTokensPerMinute(), Expires: timeOf(k.GetExpireTime()),
	}
	for _, role := range k.GetRoles() {
		key.Roles = append(key.Roles, rolesFromProto[role])
	}
	return key
}

func keyToProto(k *account.Key) *accountv1.Key {
	key := &accountv1.Key{
		Name: name("keys", k.ID), DisplayName: k.DisplayName, Prefix: k.Prefix, Team: name("teams", k.Team), User: name("users", k.User),
		AllowedModels: k.AllowedModels, AllowedCollections: k.AllowedCollections,
		Residency: k.Residency, Compliance: k.Compliance,
		RequestsPerMinute: k.RequestsPerMinute, TokensPerMinute: k.TokensPerMinute,
		ExpireTime: stampOf(k.Expires), RevokeTime: stampOf(k.Revoked), CreateTime: stampOf(k.Created),
	}
	for _, role := range k.Roles {
		key.Roles = append(key.Roles, rolesToProto[role])
	}
	return key
}

// CreateKey implements the contract.
func (s *Account) CreateKey(ctx context.Context, r *accountv1.CreateKeyRequest) (*accountv1.CreateKeyResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	made, plain, err := s.Keys.CreateKey(ctx, actor(p), keyFromProto(r.GetKey()))
	if err != nil {
		return nil, public(err)
	}
	aws := s.Keys.AWSCredentials(made.ID, plain)
	return &accountv1.CreateKeyResponse{
		Key: keyToProto(&made), Secret: plain.Reveal(),
		AwsAccessKeyId: aws.AccessKeyID, AwsSecretAccessKey: aws.SecretAccessKey.Reveal(),
	}, nil
}

// ListKeys implements the contract.
func (s *Account) ListKeys(ctx context.Context, r *accountv1.ListKeysRequest) (*accountv1.ListKeysResponse, error) {
	p, err := member(ctx)
	if err != nil {
		return nil, err
	}
	page, size, err := pageOf("keys", r.GetPageToken(), r.GetPageSize())
	if err != nil {
		return nil, err
	}
	found, err := s.Keys.ListKeys(ctx, p.Organization, r.GetShowEnded(), page)
	if err != nil {
		return nil, public(err)
	}
	found, next := paged(found, size, "keys", account.KeyCursor)
	response := &accountv1.ListKeysResponse{NextPageToken: next}
	for i := range found {
		response.Keys = append(response.Keys, keyToProto(&found[i]))
	}
	return response, nil
}

// RevokeKey implements the contract.
func (s *Account) RevokeKey(ctx context.Context, r *accountv1.RevokeKeyRequest) (*accountv1.RevokeKeyResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	key, err := s.Keys.RevokeKey(ctx, actor(p), id("keys", r.GetName()))
	if err != nil {
		return nil, public(err)
	}
	return &accountv1.RevokeKeyResponse{Key: keyToProto(&key)}, nil
}

// ResolveKey implements the contract.
func (s *Account) ResolveKey(ctx context.Context, r *accountv1.ResolveKeyRequest) (*accountv1.ResolveKeyResponse, error) {
	if err := internal(ctx, ""); err != nil {
		return nil, err
	}
	return s.Owner(ctx, secret.New(r.GetSecret()))
}

// Owner says whose a secret is, without asking who wants to know: for callers
// in this process.
func (s *Account) Owner(ctx context.Context, plain secret.String) (*accountv1.ResolveKeyResponse, error) {
	key, err := s.Keys.Resolve(ctx, plain)
	if err != nil {
		return nil, public(err)
	}
	return &accountv1.ResolveKeyResponse{Organization: name("organizations", key.Organization), Key: keyToProto(&key)}, nil
}

// ResolveSigningKey implements the contract.
func (s *Account) ResolveSigningKey(ctx context.Context, r *accountv1.ResolveSigningKeyRequest) (*accountv1.ResolveSigningKeyResponse, error) {
	if err := internal(ctx, ""); err != nil {
		return nil, err
	}
	return s.Signer(ctx, r)
}

// Signer says whose an access key id is, without asking who wants to know: for
// callers in this process.
func (s *Account) Signer(ctx context.Context, r *accountv1.ResolveSigningKeyRequest) (*accountv1.ResolveSigningKeyResponse, error) {
	key, signing, err := s.Keys.ResolveSigning(ctx, account.SigningScope{
		AccessKeyID: r.GetAccessKeyId(), Date: r.GetDate(), Region: r.GetRegion(), Service: r.GetService(),
	})
	if err != nil {
		return nil, public(err)
	}
	return &accountv1.ResolveSigningKeyResponse{
		Organization: name("organizations", key.Organization), Key: keyToProto(&key), SigningKey: []byte(signing.Reveal()),
	}, nil
}

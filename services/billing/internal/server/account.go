package server

import (
	"context"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// Organizations makes and lists tenants.
type Organizations interface {
	CreateOrganization(ctx context.Context, actor account.Actor, o account.Organization) (account.Organization, account.Key, secret.String, error)
	ListOrganizations(ctx context.Context, actor account.Actor, page account.Page) ([]account.Organization, error)
}

// Teams manages teams.
type Teams interface {
	CreateTeam(ctx context.Context, actor account.Actor, team account.Team) (account.Team, error)
	ListTeams(ctx context.Context, organization string, page account.Page) ([]account.Team, error)
	DeleteTeam(ctx context.Context, actor account.Actor, id string) error
}

// Users manages users.
type Users interface {
	CreateUser(ctx context.Context, actor account.Actor, user account.User) (account.User, error)
	ListUsers(ctx context.Context, organization string, page account.Page) ([]account.User, error)
	DeleteUser(ctx context.Context, actor account.Actor, id string) error
}

// Keys manages virtual keys.
type Keys interface {
	CreateKey(ctx context.Context, actor account.Actor, key account.Key) (account.Key, secret.String, error)
	ListKeys(ctx context.Context, organization string, ended bool, page account.Page) ([]account.Key, error)
	RevokeKey(ctx context.Context, actor account.Actor, id string) (account.Key, error)
	Resolve(ctx context.Context, plain secret.String) (account.Key, error)
	AWSCredentials(id string, plain secret.String) account.AWSCredentials
	ResolveSigning(ctx context.Context, scope account.SigningScope) (account.Key, secret.String, error)
}

// AuditLog reads audit events.
type AuditLog interface {
	ListEvents(ctx context.Context, organization string, before int64, limit int) ([]account.Event, error)
}

// Account implements accountv1.AccountServiceServer.
type Account struct {
	accountv1.UnimplementedAccountServiceServer

	Organizations Organizations
	Teams         Teams
	Users         Users
	Keys          Keys
	AuditLog      AuditLog
}

// pageOf reads where a page begins and asks for one row more than it holds.
func pageOf(list, token string, size int32) (account.Page, int, error) {
	after, err := cursorOf(list, token)
	limit := pageSize(size)
	return account.Page{After: after, Limit: limit + 1}, limit, err
}

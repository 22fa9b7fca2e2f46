package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// DefaultOrganization is made when Tollgate first starts.
const DefaultOrganization = "default"

// firstUser is the user that a new organisation begins with.
const firstUser = "admin"

// CreateOrganization makes an organisation with a user "admin" and an admin
// key, whose secret is returned once. Only operators may.
func (s *Service) CreateOrganization(ctx context.Context, actor Actor, organization Organization) (Organization, Key, secret.String, error) {
	if !actor.Operator {
		return Organization{}, Key{}, secret.String{}, fmt.Errorf("%w: only an operator makes organisations", ErrDenied)
	}
	return s.found(ctx, actor, organization, []Role{Admin})
}

func (s *Service) found(ctx context.Context, actor Actor, organization Organization, roles []Role) (Organization, Key, secret.String, error) {
	if err := checkID("organization.name", organization.ID); err != nil {
		return Organization{}, Key{}, secret.String{}, err
	}
	organization.Created = s.now().UTC()
	user := User{Organization: organization.ID, ID: firstUser, DisplayName: "First administrator", Created: organization.Created}
	stored, plain := s.issue(organization.ID, Key{DisplayName: "first administrator key", User: firstUser, Roles: roles})
	// The event belongs to the new organisation's own log, whoever made it.
	change := Change{
		Organization: organization.ID, Actor: actor.Name, Action: "organizations.create",
		Resource: "organizations/" + organization.ID, At: organization.Created,
	}
	if err := s.store.CreateOrganization(ctx, organization, user, stored, change); err != nil {
		return Organization{}, Key{}, secret.String{}, err
	}
	return organization, stored.Key, plain, nil
}

// ListOrganizations lists organisations by id. Only operators may.
func (s *Service) ListOrganizations(ctx context.Context, actor Actor, page Page) ([]Organization, error) {
	if !actor.Operator {
		return nil, fmt.Errorf("%w: only an operator lists organisations", ErrDenied)
	}
	return s.store.ListOrganizations(ctx, page)
}

// Bootstrap makes the default organisation and an operator's key when there is
// no organisation yet. created is false, and the secret empty, when there is.
func (s *Service) Bootstrap(ctx context.Context) (plain secret.String, created bool, err error) {
	existing, err := s.store.ListOrganizations(ctx, Page{Limit: 1})
	if err != nil || len(existing) > 0 {
		return secret.String{}, false, err
	}
	first := Organization{ID: DefaultOrganization, DisplayName: "Default organisation"}
	_, _, plain, err = s.found(ctx, System, first, []Role{Operator, Admin})
	if errors.Is(err, ErrExists) { // another replica was faster
		return secret.String{}, false, nil
	}
	return plain, err == nil, err
}

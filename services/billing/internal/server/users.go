package server

import (
	"context"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
)

func userToProto(user *account.User) *accountv1.User {
	return &accountv1.User{
		Name: name("users", user.ID), DisplayName: user.DisplayName, Team: name("teams", user.Team), CreateTime: stampOf(user.Created),
	}
}

// CreateUser implements the contract.
func (s *Account) CreateUser(ctx context.Context, r *accountv1.CreateUserRequest) (*accountv1.CreateUserResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	wanted := account.User{
		ID: id("users", r.GetUser().GetName()), DisplayName: r.GetUser().GetDisplayName(), Team: id("teams", r.GetUser().GetTeam()),
	}
	made, err := s.Users.CreateUser(ctx, actor(p), wanted)
	if err != nil {
		return nil, public(err)
	}
	return &accountv1.CreateUserResponse{User: userToProto(&made)}, nil
}

// ListUsers implements the contract.
func (s *Account) ListUsers(ctx context.Context, r *accountv1.ListUsersRequest) (*accountv1.ListUsersResponse, error) {
	p, err := member(ctx)
	if err != nil {
		return nil, err
	}
	page, size, err := pageOf("users", r.GetPageToken(), r.GetPageSize())
	if err != nil {
		return nil, err
	}
	found, err := s.Users.ListUsers(ctx, p.Organization, page)
	if err != nil {
		return nil, public(err)
	}
	found, next := paged(found, size, "users", func(user *account.User) string { return user.ID })
	response := &accountv1.ListUsersResponse{NextPageToken: next}
	for i := range found {
		response.Users = append(response.Users, userToProto(&found[i]))
	}
	return response, nil
}

// DeleteUser implements the contract.
func (s *Account) DeleteUser(ctx context.Context, r *accountv1.DeleteUserRequest) (*accountv1.DeleteUserResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Users.DeleteUser(ctx, actor(p), id("users", r.GetName())); err != nil {
		return nil, public(err)
	}
	return &accountv1.DeleteUserResponse{}, nil
}

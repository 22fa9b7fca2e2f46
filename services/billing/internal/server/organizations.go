package server

import (
	"context"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
)

func organizationToProto(o *account.Organization) *accountv1.Organization {
	return &accountv1.Organization{Name: name("organizations", o.ID), DisplayName: o.DisplayName, CreateTime: stampOf(o.Created)}
}

// CreateOrganization implements the contract.
func (s *Account) CreateOrganization(ctx context.Context, r *accountv1.CreateOrganizationRequest) (*accountv1.CreateOrganizationResponse, error) {
	p, err := auth.Require(ctx, auth.RoleOperator)
	if err != nil {
		return nil, err
	}
	wanted := account.Organization{ID: id("organizations", r.GetOrganization().GetName()), DisplayName: r.GetOrganization().GetDisplayName()}
	made, key, plain, err := s.Organizations.CreateOrganization(ctx, actor(p), wanted)
	if err != nil {
		return nil, public(err)
	}
	return &accountv1.CreateOrganizationResponse{
		Organization: organizationToProto(&made), AdminKey: keyToProto(&key), AdminSecret: plain.Reveal(),
	}, nil
}

// ListOrganizations implements the contract.
func (s *Account) ListOrganizations(ctx context.Context, r *accountv1.ListOrganizationsRequest) (*accountv1.ListOrganizationsResponse, error) {
	p, err := auth.Require(ctx, auth.RoleOperator)
	if err != nil {
		return nil, err
	}
	page, size, err := pageOf("organizations", r.GetPageToken(), r.GetPageSize())
	if err != nil {
		return nil, err
	}
	found, err := s.Organizations.ListOrganizations(ctx, actor(p), page)
	if err != nil {
		return nil, public(err)
	}
	found, next := paged(found, size, "organizations", func(o *account.Organization) string { return o.ID })
	response := &accountv1.ListOrganizationsResponse{NextPageToken: next}
	for i := range found {
		response.Organizations = append(response.Organizations, organizationToProto(&found[i]))
	}
	return response, nil
}

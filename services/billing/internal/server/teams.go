package server

import (
	"context"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
)

func teamToProto(team *account.Team) *accountv1.Team {
	return &accountv1.Team{Name: name("teams", team.ID), DisplayName: team.DisplayName, CreateTime: stampOf(team.Created)}
}

// CreateTeam implements the contract.
func (s *Account) CreateTeam(ctx context.Context, r *accountv1.CreateTeamRequest) (*accountv1.CreateTeamResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	wanted := account.Team{ID: id("teams", r.GetTeam().GetName()), DisplayName: r.GetTeam().GetDisplayName()}
	made, err := s.Teams.CreateTeam(ctx, actor(p), wanted)
	if err != nil {
		return nil, public(err)
	}
	return &accountv1.CreateTeamResponse{Team: teamToProto(&made)}, nil
}

// ListTeams implements the contract.
func (s *Account) ListTeams(ctx context.Context, r *accountv1.ListTeamsRequest) (*accountv1.ListTeamsResponse, error) {
	p, err := member(ctx)
	if err != nil {
		return nil, err
	}
	page, size, err := pageOf("teams", r.GetPageToken(), r.GetPageSize())
	if err != nil {
		return nil, err
	}
	found, err := s.Teams.ListTeams(ctx, p.Organization, page)
	if err != nil {
		return nil, public(err)
	}
	found, next := paged(found, size, "teams", func(team *account.Team) string { return team.ID })
	response := &accountv1.ListTeamsResponse{NextPageToken: next}
	for i := range found {
		response.Teams = append(response.Teams, teamToProto(&found[i]))
	}
	return response, nil
}

// DeleteTeam implements the contract.
func (s *Account) DeleteTeam(ctx context.Context, r *accountv1.DeleteTeamRequest) (*accountv1.DeleteTeamResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Teams.DeleteTeam(ctx, actor(p), id("teams", r.GetName())); err != nil {
		return nil, public(err)
	}
	return &accountv1.DeleteTeamResponse{}, nil
}

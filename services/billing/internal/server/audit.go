package server

import (
	"context"
	"strconv"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
)

// ListAuditEvents implements the contract.
func (s *Account) ListAuditEvents(ctx context.Context, r *accountv1.ListAuditEventsRequest) (*accountv1.ListAuditEventsResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	before, err := numberOf("audit", r.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(r.GetPageSize())
	found, err := s.AuditLog.ListEvents(ctx, p.Organization, before, size+1)
	if err != nil {
		return nil, public(err)
	}
	found, next := paged(found, size, "audit", func(e *account.Event) string { return strconv.FormatInt(e.Sequence, 10) })
	response := &accountv1.ListAuditEventsResponse{NextPageToken: next}
	for _, event := range found {
		response.AuditEvents = append(response.AuditEvents, &accountv1.AuditEvent{
			Sequence: event.Sequence, Time: stampOf(event.At), Actor: event.Actor, Action: event.Action, Resource: event.Resource, Hash: event.Hash,
		})
	}
	return response, nil
}

package server

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// CreateHold implements the contract.
func (s *Billing) CreateHold(ctx context.Context, r *billingv1.CreateHoldRequest) (response *billingv1.CreateHoldResponse, err error) {
	scopes := scopesFromProto(r.GetScopes())
	if err := internal(ctx, scopes.Organization); err != nil {
		return nil, err
	}
	ctx, span := telemetry.Start(ctx, "billing.hold")
	defer func() { telemetry.End(span, err) }()
	// What has no price cannot be covered by a budget.
	reject := s.Policy().RejectUnpriced || s.Holds.Limited(scopes)
	amount, unpriced, err := s.worstCase(r, reject)
	if err != nil {
		return nil, public(err)
	}
	hold, err := s.Holds.Create(ctx, budget.Request{
		RequestID: r.GetRequestId(), Scopes: scopes, Amount: amount, Lease: r.GetLease(), TTL: r.GetTtl().AsDuration(),
	})
	var exceeded *budget.Exceeded
	if refused := errors.As(err, &exceeded); refused || err == nil {
		s.Meters.Held(ctx, refused)
	}
	span.SetAttributes(
		attribute.String("tollgate.request_id", r.GetRequestId()), attribute.String("tollgate.hold", hold.ID),
		attribute.Int64("tollgate.hold.amount_nanousd", int64(amount)), attribute.Bool("tollgate.unpriced", unpriced),
	)
	if err != nil {
		return nil, public(err)
	}
	return &billingv1.CreateHoldResponse{
		Name: name("holds", hold.ID), AmountNanousd: int64(hold.Amount), ExpireTime: stampOf(hold.Expires), Unpriced: unpriced,
	}, nil
}

// worstCase is what the dearest candidate may cost, or the amount that the
// caller knows already. unpriced tells that there are candidates but no price;
// with reject, one candidate without a price is an error.
func (s *Billing) worstCase(r *billingv1.CreateHoldRequest, reject bool) (amount money.Amount, unpriced bool, err error) {
	amount = money.Amount(r.GetAmountNanousd())
	prices := s.Prices()
	unpriced = len(r.GetCandidates()) > 0
	at := now()
	for _, candidate := range r.GetCandidates() {
		tokens := tokensFromProto(candidate.GetWorstCase())
		for _, count := range tokens {
			if count < 0 {
				return 0, false, fmt.Errorf("%w: a count of tokens is negative", budget.ErrInvalid)
			}
		}
		found, err := prices.Find(query(candidate.GetPricedModel(), at, &tokens))
		var cost money.Amount
		if err == nil {
			cost, err = found.WorstCase(&tokens)
		}
		switch {
		case errors.Is(err, price.ErrUnpriced) && !reject:
			continue
		case errors.Is(err, price.ErrUnpriced):
			return 0, false, err
		case err != nil:
			return 0, false, fmt.Errorf("%w: %w", budget.ErrInvalid, err)
		}
		unpriced, amount = false, max(amount, cost)
	}
	return amount, unpriced, nil
}

// ReleaseHold implements the contract.
func (s *Billing) ReleaseHold(ctx context.Context, r *billingv1.ReleaseHoldRequest) (response *billingv1.ReleaseHoldResponse, err error) {
	if err := internal(ctx, ""); err != nil {
		return nil, err
	}
	ctx, span := telemetry.Start(ctx, "billing.release", attribute.String("tollgate.hold", r.GetName()))
	defer func() { telemetry.End(span, err) }()
	if err := s.Holds.Release(ctx, id("holds", r.GetName())); err != nil {
		return nil, public(err)
	}
	return &billingv1.ReleaseHoldResponse{}, nil
}

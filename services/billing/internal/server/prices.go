package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// PriceUsage implements the contract.
func (s *Billing) PriceUsage(ctx context.Context, r *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	at := timeOf(r.GetTime())
	if at.IsZero() {
		at = now()
	}
	tokens := tokensFromProto(r.GetUsage())
	found, err := s.Prices().Find(query(r.GetPricedModel(), at, &tokens))
	var cost money.Amount
	if err == nil {
		_, cost, err = found.Quote(&tokens)
	}
	switch {
	case errors.Is(err, price.ErrUnpriced):
		return &billingv1.PriceUsageResponse{Unpriced: true}, nil
	case err != nil:
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the usage cannot be priced").WithField("usage").WithCause(err)
	}
	return &billingv1.PriceUsageResponse{CostNanousd: int64(cost), PriceVersion: found.Version}, nil
}

// ListPrices implements the contract. The operator's prices stand before the
// shipped ones of the same model, which they hide.
func (s *Billing) ListPrices(ctx context.Context, r *billingv1.ListPricesRequest) (*billingv1.ListPricesResponse, error) {
	if _, err := auth.Require(ctx); err != nil {
		return nil, err
	}
	skip, err := numberOf("prices", r.GetPageToken())
	if err != nil {
		return nil, err
	}
	var matching []*price.Price
	for _, p := range s.Prices().Prices() {
		if (r.GetProvider() == "" || p.Provider == r.GetProvider()) && strings.Contains(p.Model, strings.ToLower(r.GetModel())) {
			matching = append(matching, p)
		}
	}
	groups := byTiers(matching)
	first, size := min(int(skip), len(groups)), pageSize(r.GetPageSize())
	last := min(first+size, len(groups))
	response := &billingv1.ListPricesResponse{}
	for _, tiers := range groups[first:last] {
		response.Prices = append(response.Prices, priceToProto(tiers))
	}
	if last < len(groups) {
		response.NextPageToken = pageToken("prices", strconv.Itoa(last))
	}
	return response, nil
}

// byTiers sorts prices by provider and model and puts the context tiers of one
// price together.
func byTiers(prices []*price.Price) [][]*price.Price {
	slices.SortStableFunc(prices, func(a, b *price.Price) int {
		return cmp.Or(cmp.Compare(a.Provider, b.Provider), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Region, b.Region),
			cmp.Compare(a.Source, b.Source), a.From.Compare(b.From), cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Above, b.Above))
	})
	var groups [][]*price.Price
	for i, p := range prices {
		if i > 0 && p.Above > 0 {
			groups[len(groups)-1] = append(groups[len(groups)-1], p)
		} else {
			groups = append(groups, []*price.Price{p})
		}
	}
	return groups
}

func priceToProto(tiers []*price.Price) *billingv1.Price {
	base := tiers[0]
	out := &billingv1.Price{
		PricedModel:   &billingv1.PricedModel{Provider: base.Provider, Model: base.Model, Region: base.Region, Mode: modesToProto[base.Mode]},
		Version:       base.Version,
		EffectiveTime: stampOf(base.From),
		Source:        base.Source,
		Currency:      money.Currency,
	}
	if base.Disputed != "" {
		out.Source = fmt.Sprintf("%s (disputed: %s)", base.Source, base.Disputed)
	}
	for _, tier := range tiers {
		message := &billingv1.Price_Tier{AboveInputTokens: tier.Above}
		for class := range price.ClassCount {
			if rate, ok := tier.Rates.Listed(class); ok {
				message.Rates = append(message.Rates, &billingv1.Price_Rate{TokenClass: class.String(), NanousdPerMillion: int64(rate)})
			}
		}
		out.Tiers = append(out.Tiers, message)
	}
	return out
}

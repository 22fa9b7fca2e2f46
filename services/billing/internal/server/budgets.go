package server

import (
	"context"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

func budgetToProto(b *budget.Budget) *billingv1.Budget {
	return &billingv1.Budget{
		Name: name("budgets", b.ID), Scope: b.Scope, Window: billingv1.Budget_Window(b.Window), LimitNanousd: int64(b.Limit),
		AlertPercents: b.Alerts, SettledNanousd: int64(b.Settled), HeldNanousd: int64(b.Held), CreateTime: stampOf(b.Created),
	}
}

// budgetFromProto reads a budget; the numbers of windows are the contract's.
func budgetFromProto(organization string, b *billingv1.Budget) budget.Budget {
	return budget.Budget{
		ID: id("budgets", b.GetName()), Organization: organization, Scope: b.GetScope(), Window: budget.Window(b.GetWindow()),
		Limit: money.Amount(b.GetLimitNanousd()), Alerts: b.GetAlertPercents(),
	}
}

// CreateBudget implements the contract.
func (s *Billing) CreateBudget(ctx context.Context, r *billingv1.CreateBudgetRequest) (*billingv1.CreateBudgetResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	made, err := s.Budgets.Create(ctx, budgetFromProto(p.Organization, r.GetBudget()), actor(p).Name)
	if err != nil {
		return nil, public(err)
	}
	return &billingv1.CreateBudgetResponse{Budget: budgetToProto(&made)}, nil
}

// UpdateBudget implements the contract.
func (s *Billing) UpdateBudget(ctx context.Context, r *billingv1.UpdateBudgetRequest) (*billingv1.UpdateBudgetResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	updated, err := s.Budgets.Update(ctx, budgetFromProto(p.Organization, r.GetBudget()), actor(p).Name)
	if err != nil {
		return nil, public(err)
	}
	return &billingv1.UpdateBudgetResponse{Budget: budgetToProto(&updated)}, nil
}

// ListBudgets implements the contract.
func (s *Billing) ListBudgets(ctx context.Context, r *billingv1.ListBudgetsRequest) (*billingv1.ListBudgetsResponse, error) {
	p, err := member(ctx)
	if err != nil {
		return nil, err
	}
	after, err := cursorOf("budgets", r.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := pageSize(r.GetPageSize())
	found, err := s.Budgets.List(ctx, p.Organization, after, size+1)
	if err != nil {
		return nil, public(err)
	}
	found, next := paged(found, size, "budgets", (*budget.Budget).Cursor)
	response := &billingv1.ListBudgetsResponse{NextPageToken: next}
	for i := range found {
		response.Budgets = append(response.Budgets, budgetToProto(&found[i]))
	}
	return response, nil
}

// DeleteBudget implements the contract.
func (s *Billing) DeleteBudget(ctx context.Context, r *billingv1.DeleteBudgetRequest) (*billingv1.DeleteBudgetResponse, error) {
	p, err := manager(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Budgets.Delete(ctx, p.Organization, id("budgets", r.GetName()), actor(p).Name); err != nil {
		return nil, public(err)
	}
	return &billingv1.DeleteBudgetResponse{}, nil
}

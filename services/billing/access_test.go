package billing_test

import (
	"context"
	"fmt"
	"testing"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func TestOnlyTollgateItselfRecordsAndHolds(t *testing.T) {
	w := newWorld(t, nil)
	_, err := w.billing.CreateHold(w.admin, holdRequest("r"))
	wantReason(t, "hold", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = w.billing.ReleaseHold(w.admin, &billingv1.ReleaseHoldRequest{Name: "holds/x"})
	wantReason(t, "release", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = w.accounts.ResolveKey(w.admin, &accountv1.ResolveKeyRequest{Secret: "tg_x"})
	wantReason(t, "resolve", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	stream, err := w.billing.RecordUsage(w.admin)
	if err == nil {
		_, err = stream.Recv()
	}
	wantReason(t, "record", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = w.accounts.ResolveKey(w.inside, &accountv1.ResolveKeyRequest{Secret: "tg_x"})
	wantReason(t, "a malformed secret", err, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED)
	_, err = w.billing.ListUsage(w.inside, &billingv1.ListUsageRequest{})
	wantReason(t, "a service without a caller lists usage", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)

	// A service that acts for a caller acts in that caller's organisation alone.
	outgoing := auth.OutgoingPrincipal(secret.New(internalToken))
	forOther, err := outgoing.Context(auth.NewContext(t.Context(), &auth.Principal{Organization: "other", Roles: []string{auth.RoleDeveloper}}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.billing.CreateHold(forOther, holdRequest("r"))
	wantReason(t, "a hold for another organisation", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	if answer := w.send(t, forOther, record("r"))["r"]; answer.GetStatus() != billingv1.RecordUsageResponse_STATUS_INVALID {
		t.Errorf("a record of another organisation: %v", answer)
	}
}

// managing calls everything that changes an organisation.
func (w *world) managing(ctx context.Context) map[string]error {
	failures := map[string]error{}
	call := func(name string, err error) { failures[name] = err }
	_, err := w.accounts.CreateTeam(ctx, &accountv1.CreateTeamRequest{Team: &accountv1.Team{Name: "teams/new"}})
	call("create team", err)
	_, err = w.accounts.DeleteTeam(ctx, &accountv1.DeleteTeamRequest{Name: "teams/eng"})
	call("delete team", err)
	_, err = w.accounts.CreateUser(ctx, &accountv1.CreateUserRequest{User: &accountv1.User{Name: "users/new"}})
	call("create user", err)
	_, err = w.accounts.DeleteUser(ctx, &accountv1.DeleteUserRequest{Name: "users/admin"})
	call("delete user", err)
	_, err = w.accounts.CreateKey(ctx, &accountv1.CreateKeyRequest{Key: &accountv1.Key{Roles: []accountv1.Role{accountv1.Role_ROLE_VIEWER}}})
	call("create key", err)
	_, err = w.accounts.RevokeKey(ctx, &accountv1.RevokeKeyRequest{Name: "keys/key_x"})
	call("revoke key", err)
	_, err = w.accounts.ListAuditEvents(ctx, &accountv1.ListAuditEventsRequest{})
	call("list audit events", err)
	_, err = w.billing.CreateBudget(ctx, &billingv1.CreateBudgetRequest{Budget: &billingv1.Budget{Scope: "teams/x", Window: billingv1.Budget_WINDOW_DAY}})
	call("create budget", err)
	_, err = w.billing.UpdateBudget(ctx, &billingv1.UpdateBudgetRequest{Budget: &billingv1.Budget{Name: "budgets/x", Scope: "teams/x", Window: billingv1.Budget_WINDOW_DAY}})
	call("update budget", err)
	_, err = w.billing.DeleteBudget(ctx, &billingv1.DeleteBudgetRequest{Name: "budgets/x"})
	call("delete budget", err)
	return failures
}

func TestOnlyAdminsManage(t *testing.T) {
	w := newWorld(t, nil)
	for _, role := range []accountv1.Role{accountv1.Role_ROLE_VIEWER, accountv1.Role_ROLE_DEVELOPER} {
		_, caller := w.key(t, w.admin, role)
		for name, err := range w.managing(caller) {
			wantReason(t, fmt.Sprintf("%s as %s", name, role), err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
		}
		if _, err := w.billing.ReportUsage(caller, &billingv1.ReportUsageRequest{}); err != nil {
			t.Errorf("%s reads a report: %v", role, err)
		}
	}
	_, admin := w.key(t, w.admin, accountv1.Role_ROLE_ADMIN)
	_, err := w.accounts.CreateOrganization(admin, &accountv1.CreateOrganizationRequest{Organization: &accountv1.Organization{Name: "organizations/mine"}})
	wantReason(t, "an admin makes an organisation", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	_, err = w.accounts.CreateKey(admin, &accountv1.CreateKeyRequest{Key: &accountv1.Key{Roles: []accountv1.Role{accountv1.Role_ROLE_OPERATOR}}})
	wantReason(t, "an admin grants operator", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	for name, err := range w.managing(admin) {
		if errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED) {
			t.Errorf("%s as an admin: %v", name, err)
		}
	}
}

func TestNothingCrossesOrganisations(t *testing.T) {
	w := newWorld(t, nil)
	other := w.other(t)
	mine, _ := w.key(t, w.admin, accountv1.Role_ROLE_DEVELOPER)
	budget := w.budget(t, "teams/eng", 1000)
	w.send(t, w.inside, record("req-1"))

	usage, err := w.billing.ListUsage(other, &billingv1.ListUsageRequest{RequestId: "req-1"})
	if err != nil || len(usage.GetRows()) != 0 {
		t.Errorf("usage %v, %v", usage, err)
	}
	report, err := w.billing.ReportUsage(other, &billingv1.ReportUsageRequest{})
	if err != nil || report.GetTotal().GetAttempts() != 0 {
		t.Errorf("report %v, %v", report, err)
	}
	budgets, err := w.billing.ListBudgets(other, &billingv1.ListBudgetsRequest{})
	if err != nil || len(budgets.GetBudgets()) != 0 {
		t.Errorf("budgets %v, %v", budgets, err)
	}
	_, err = w.billing.DeleteBudget(other, &billingv1.DeleteBudgetRequest{Name: budget.GetName()})
	wantReason(t, "delete budget", err, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND)
	_, err = w.billing.CreateBudget(other, &billingv1.CreateBudgetRequest{Budget: &billingv1.Budget{
		Scope: "organizations/default", Window: billingv1.Budget_WINDOW_DAY,
	}})
	wantReason(t, "budget of another organisation", err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT)
	_, err = w.accounts.RevokeKey(other, &accountv1.RevokeKeyRequest{Name: mine.GetName()})
	wantReason(t, "revoke key", err, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND)
	events, err := w.accounts.ListAuditEvents(other, &accountv1.ListAuditEventsRequest{})
	if err != nil || len(events.GetAuditEvents()) != 1 {
		t.Errorf("audit events %v, %v", events, err)
	}
	keys, err := w.accounts.ListKeys(other, &accountv1.ListKeysRequest{ShowEnded: true})
	if err != nil || len(keys.GetKeys()) != 1 {
		t.Errorf("keys %v, %v", keys, err)
	}
}

func TestRevokedKeysAreRefusedAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	key, caller := w.key(t, w.admin, accountv1.Role_ROLE_VIEWER)
	if _, err := w.billing.ListPrices(caller, &billingv1.ListPricesRequest{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.accounts.RevokeKey(w.admin, &accountv1.RevokeKeyRequest{Name: key.GetName()}); err != nil {
		t.Fatal(err)
	}
	if ended := w.ended(); len(ended) != 1 || "keys/"+ended[0] != key.GetName() {
		t.Errorf("told of %v", ended)
	}
	_, err := w.billing.ListPrices(caller, &billingv1.ListPricesRequest{})
	wantReason(t, "a revoked key", err, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED)
}

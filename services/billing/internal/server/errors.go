package server

import (
	"context"
	"errors"
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// reasons maps the errors of the domain to public reasons.
var reasons = []struct {
	err    error
	reason llmv1.ErrorReason
}{
	{account.ErrNotFound, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
	{account.ErrExists, llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS},
	{account.ErrInUse, llmv1.ErrorReason_ERROR_REASON_CONFLICT},
	{account.ErrDenied, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED},
	{account.ErrBadKey, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED},
	{budget.ErrNotFound, llmv1.ErrorReason_ERROR_REASON_NOT_FOUND},
	{budget.ErrExists, llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS},
	{budget.ErrInvalid, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
	{price.ErrUnpriced, llmv1.ErrorReason_ERROR_REASON_UNPRICED},
}

// public turns an error of the domain or the store into one for callers. What
// is not known here comes from the database: its text stays in the log.
func public(err error) error {
	if err == nil {
		return nil
	}
	var known *errs.Error
	if errors.As(err, &known) {
		return known
	}
	var exceeded *budget.Exceeded
	if errors.As(err, &exceeded) {
		return exceededError(exceeded)
	}
	var invalid *account.InvalidError
	if errors.As(err, &invalid) {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "%s", invalid.Error()).WithField(invalid.Field)
	}
	for _, entry := range reasons {
		if errors.Is(err, entry.err) {
			return errs.New(entry.reason, "%s", entry.err.Error()).WithCause(err)
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return errs.From(err)
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the ledger cannot be reached at the moment").WithCause(err)
}

func exceededError(e *budget.Exceeded) error {
	amount := func(value int64) string { return strconv.FormatInt(value, 10) }
	return errs.New(llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED, "%s", e.Error()).
		WithMetadata("scope", e.Scope).
		WithMetadata("window", e.Window.String()).
		WithMetadata("limit_nanousd", amount(int64(e.Limit))).
		WithMetadata("remaining_nanousd", amount(int64(e.Remaining))).
		WithMetadata("asked_nanousd", amount(int64(e.Asked)))
}

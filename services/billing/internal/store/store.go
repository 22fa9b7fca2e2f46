package store

import (
	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
)

var (
	_ account.Store    = (*Store)(nil)
	_ budget.Store     = (*Store)(nil)
	_ budget.HoldStore = (*Store)(nil)
	_ ledger.Store     = (*Store)(nil)
)

package ledger

import (
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// Dimension is what a report is grouped by; its text is the name in reports.
type Dimension string

// The dimensions.
const (
	ByDay      Dimension = "day"
	ByTeam     Dimension = "team"
	ByUser     Dimension = "user"
	ByKey      Dimension = "key"
	ByModel    Dimension = "model"
	ByProvider Dimension = "provider"
	ByTarget   Dimension = "target"
)

// ReportQuery asks for sums over the usage of one organisation.
type ReportQuery struct {
	Organization string
	From, Until  time.Time // by start of the attempt; until is exclusive
	GroupBy      []Dimension
}

// Sums is the total of one group.
type Sums struct {
	Group     map[Dimension]string
	Attempts  int64
	Requests  int64
	Tokens    price.Tokens
	Cost      money.Amount
	Unpriced  int64 // attempts in suspense, which Cost leaves out
	Estimated int64 // attempts whose tokens were estimated
}

// Row is a posting as it stands in the ledger.
type Row struct {
	Posting
	Sequence  int64 // rises with the time of the commit
	Committed time.Time
}

// RowQuery asks for a page of rows, the newest first.
type RowQuery struct {
	Organization string
	RequestID    string // empty: all
	Before       int64  // sequence of the last row of the page before; 0: the first page
	Limit        int
}

package quota

import (
	"context"
	"time"
)

// Ask is what a limit is asked for.
type Ask struct {
	// Model is set if the limit is the model's, not the whole target's.
	Model bool
	// Limit is what may pass in a minute, and N what is asked for; nothing only
	// asks what was granted.
	Limit, N Rates
}

// Reply is what was decided.
type Reply struct {
	Granted bool
	// Time is the store's clock, and Second the one in which a grant counts.
	Time   time.Time
	Second int64
	// Wait is when it will fit, and Limit which limit refused: requests or tokens.
	Wait  time.Duration
	Limit string
	// Windows are what all replicas were granted, one for each ask.
	Windows []Encoded
}

// Encoded is a window as the store keeps it. Decoding is put off, since it is
// looked at only when the store goes away.
type Encoded interface{ Decode() (Window, bool) }

// Shared counts what all replicas grant. Any error means that it cannot be asked.
type Shared interface {
	// Reserve grants all asks or none.
	Reserve(ctx context.Context, target, model string, asks []Ask) (Reply, error)
	// Adjust corrects what this replica was granted, by second. An empty model
	// means the limit of the whole target.
	Adjust(ctx context.Context, target, model string, changes map[int64]Rates) error
	// Replace says what this replica was granted, whatever was counted of it.
	Replace(ctx context.Context, target, model string, granted *Window) error
}

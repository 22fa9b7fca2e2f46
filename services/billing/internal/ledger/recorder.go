package ledger

import (
	"context"
	"errors"

	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// Status says what became of a record.
type Status int

// The statuses.
const (
	Committed Status = iota + 1
	Duplicate        // it had been committed before; nothing was changed
	Conflict         // another record has its identity; nothing was changed
	Invalid          // it can never be a record
)

// Result is what became of one record.
type Result struct {
	Status  Status
	Cost    money.Amount
	Message string // why it was refused; public
}

// Store commits postings. In one transaction it takes the identity, writes the
// usage row and the entries, adds to the balances of every scope and window,
// and releases or draws on the hold. Results stand in the order of postings. An error means that
// nothing of the call is committed.
type Store interface {
	Commit(ctx context.Context, postings []Posting) ([]Result, error)
}

// Recorder books usage records.
type Recorder struct {
	pricer func() Pricer
	store  Store
}

// NewRecorder makes a recorder; pricer gives the price list of the moment.
func NewRecorder(pricer func() Pricer, store Store) *Recorder {
	return &Recorder{pricer: pricer, store: store}
}

// Record books a batch and says what became of each record, in order. An
// invalid record does not hinder the others. When the whole batch fails, each
// record is tried by itself, so that one which the store cannot take is found;
// the error of that record is returned once the others are booked.
func (r *Recorder) Record(ctx context.Context, records []Record) ([]Result, error) {
	results := make([]Result, len(records))
	postings := make([]Posting, 0, len(records))
	places := make([]int, 0, len(records))
	pricer := r.pricer()
	for i := range records {
		posting, err := Post(pricer, records[i])
		var invalid *InvalidError
		switch {
		case errors.As(err, &invalid):
			results[i] = Result{Status: Invalid, Message: invalid.Error()}
			continue
		case err != nil:
			return nil, err
		}
		postings, places = append(postings, posting), append(places, i)
	}
	if len(postings) == 0 {
		return results, nil
	}
	committed, err := r.store.Commit(ctx, postings)
	if err != nil && len(postings) > 1 {
		committed, err = r.oneByOne(ctx, postings)
	}
	for i := range committed {
		results[places[i]] = committed[i]
	}
	return results, err
}

// oneByOne commits each posting alone. Those that fail keep a zero Result and
// join their errors.
func (r *Recorder) oneByOne(ctx context.Context, postings []Posting) ([]Result, error) {
	results := make([]Result, len(postings))
	var failures []error
	for i := range postings {
		single, err := r.store.Commit(ctx, postings[i:i+1])
		if err != nil {
			failures = append(failures, err)
			if ctx.Err() != nil {
				break
			}
			continue
		}
		results[i] = single[0]
	}
	return results, errors.Join(failures...)
}

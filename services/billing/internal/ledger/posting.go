package ledger

import (
	"errors"

	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// Pricer finds prices; price.Book is one.
type Pricer interface {
	Find(query price.Query) (*price.Price, error)
}

// Entry is one side of a ledger transaction; the amounts of a transaction add
// up to zero. A debit is positive.
type Entry struct {
	Account string
	Amount  money.Amount
	Units   int64 // tokens
}

// Posting is a record with its price: what is committed.
type Posting struct {
	Record       Record
	Hash         string
	Cost         money.Amount
	PriceVersion string   // empty: unpriced, or nothing was used
	Unpriced     bool     // the entries stand in suspense
	Entries      [2]Entry // what is debited, what is credited
}

// Post prices a record and balances its entries: the narrowest scope owes what
// the provider is owed. Usage without a price is booked in suspense with its
// tokens and no amount, so that it can be found and priced later.
func Post(pricer Pricer, record Record) (Posting, error) {
	if record.Mode == "" {
		record.Mode = price.Standard
	}
	if err := record.check(); err != nil {
		return Posting{}, err
	}
	posting := Posting{Record: record, Hash: record.Hash()}
	tokens := record.Tokens.Total()
	if tokens > 0 && record.Outcome != Cached {
		if err := posting.charge(pricer); err != nil {
			return Posting{}, err
		}
	}
	debit, credit := accounts(&record, posting.Unpriced)
	posting.Entries = [2]Entry{
		{Account: debit, Amount: posting.Cost, Units: tokens},
		{Account: credit, Amount: -posting.Cost, Units: -tokens},
	}
	return posting, nil
}

func (p *Posting) charge(pricer Pricer) error {
	record := &p.Record
	found, err := pricer.Find(price.Query{
		Provider: record.Provider, Model: record.Model, Region: record.Region, Mode: record.Mode,
		At: record.Start, Context: record.Tokens.Context(),
	})
	if err == nil {
		_, p.Cost, err = found.Quote(&record.Tokens)
	}
	switch {
	case errors.Is(err, price.ErrUnpriced):
		p.Unpriced = true
		return nil
	case err != nil:
		return &InvalidError{"usage", "cannot be priced: " + err.Error()}
	}
	p.PriceVersion = found.Version
	return nil
}

// accounts names the two sides of a posting.
func accounts(record *Record, unpriced bool) (debit, credit string) {
	debit = "spending/" + record.Scopes.Narrowest()
	credit = "providers/" + record.Provider
	if unpriced {
		return "suspense/" + debit, "suspense/" + credit
	}
	return debit, credit
}

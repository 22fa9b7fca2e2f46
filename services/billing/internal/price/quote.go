package price

import (
	"errors"
	"fmt"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// ErrUnpriced means that no price is known for a model, or none for a class of
// tokens that it used. It never means that the model is free.
var ErrUnpriced = errors.New("no price is known")

// Mode is how a provider is asked to serve a request; each mode has its price.
type Mode string

// The modes.
const (
	Standard Mode = "standard"
	Batch    Mode = "batch"
	Flex     Mode = "flex"
	Priority Mode = "priority"
)

// Valid tells whether the mode is one of the four.
func (m Mode) Valid() bool {
	return m == Standard || m == Batch || m == Flex || m == Priority
}

// Price is one row of a price list: what one model costs in one region, mode
// and context tier from one date on. It does not change once it is built.
type Price struct {
	// Version identifies the row by its content; ledger rows name it.
	Version  string
	Provider string
	Model    string
	Region   string // empty: every region without a row of its own
	Mode     Mode
	// Above is the context tier: the row reprices the whole request once the
	// prompt is longer than this many tokens.
	Above    int64
	From     time.Time // zero: always
	Until    time.Time // zero: no end
	Rates    Rates
	Source   string
	Disputed string // what another published list says, when it differs by more than 1 %
}

// Component is the price of the tokens of one class.
type Component struct {
	Class  Class
	Units  int64
	Rate   money.Rate
	Amount money.Amount
}

// Quote prices tokens by class and adds the components up. Classes without
// tokens are left out. It fails with ErrUnpriced when a used class has no rate,
// and with the errors of money.
func (p *Price) Quote(tokens *Tokens) ([]Component, money.Amount, error) {
	components := make([]Component, 0, 4)
	var total money.Amount
	for class := range ClassCount {
		units := tokens[class]
		if units == 0 {
			continue
		}
		rate, ok := p.Rates.For(class)
		if !ok {
			return nil, 0, fmt.Errorf("%w: %s tokens of %s/%s", ErrUnpriced, class, p.Provider, p.Model)
		}
		amount, err := rate.Times(units)
		if err != nil {
			return nil, 0, fmt.Errorf("price %s tokens: %w", class, err)
		}
		if total, err = total.Add(amount); err != nil {
			return nil, 0, err
		}
		components = append(components, Component{Class: class, Units: units, Rate: rate, Amount: amount})
	}
	return components, total, nil
}

// mayBecome lists the classes that tokens may turn out to be once the provider
// has counted them: a prompt may be cached without being asked, and an answer
// may be partly thinking.
var mayBecome = [ClassCount][]Class{
	Input: {CacheRead, CacheWrite5m}, CacheRead: {Input, CacheWrite5m}, CacheWrite5m: {Input, CacheRead},
	CacheWrite1h: {Input, CacheRead}, Output: {Reasoning}, Reasoning: {Output},
}

// WorstCase is the most that a request of at most so many tokens can cost.
func (p *Price) WorstCase(tokens *Tokens) (money.Amount, error) {
	var total money.Amount
	for class := range ClassCount {
		if tokens[class] == 0 {
			continue
		}
		rate, ok := p.Rates.For(class)
		if !ok {
			return 0, fmt.Errorf("%w: %s tokens of %s/%s", ErrUnpriced, class, p.Provider, p.Model)
		}
		for _, other := range mayBecome[class] {
			if dearer, ok := p.Rates.For(other); ok {
				rate = max(rate, dearer)
			}
		}
		amount, err := rate.Times(tokens[class])
		if err != nil {
			return 0, err
		}
		// Each class that these tokens are split into is rounded by itself.
		if amount > 0 {
			amount += money.Amount(len(mayBecome[class]))
		}
		if total, err = total.Add(amount); err != nil {
			return 0, err
		}
	}
	return total, nil
}

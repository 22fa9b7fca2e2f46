package price

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// Entry is a model's price list as it is written down: in the catalogue file
// (JSON) and in the operator's configuration (YAML).
type Entry struct {
	// Provider is the kind of target that charges the price, for example "openai".
	Provider string `json:"provider" yaml:"provider"`
	// Model is the name sent to the provider; "*" is every model without a row of its own.
	Model string `json:"model" yaml:"model"`
	// Aliases are further names of the same price.
	Aliases []string `json:"aliases,omitempty" yaml:"aliases"`
	// Region limits the entry to one region; empty is every region without an entry of its own.
	Region string `json:"region,omitempty" yaml:"region"`
	// From is the first day (UTC, 2006-01-02) on which the entry holds; empty is always.
	From string `json:"from,omitempty" yaml:"from"`
	// Until is the first day on which it no longer holds; empty is no end.
	Until string `json:"until,omitempty" yaml:"until"`
	// Source says where the price was read.
	Source string `json:"source,omitempty" yaml:"source"`
	// Disputed is a note where published lists disagree.
	Disputed string `json:"disputed,omitempty" yaml:"disputed"`
	// Rows are the prices by mode and context tier.
	Rows []Row `json:"rows" yaml:"rows"`
}

// Row is one mode and context tier of an entry.
type Row struct {
	// Mode is standard (the default), batch, flex or priority.
	Mode Mode `json:"mode,omitempty" yaml:"mode"`
	// Above is the prompt length in tokens beyond which this row prices the whole request.
	Above int64 `json:"above,omitempty" yaml:"above"`
	// USD holds the rates by class in US dollars per million tokens, as decimal text.
	USD map[string]money.Rate `json:"-" yaml:"usd_per_million"`
	// Nano holds the same in nano-USD per million tokens; the catalogue file uses it.
	Nano map[string]int64 `json:"nano,omitempty" yaml:"-"`
}

// Fault is one thing wrong with an entry.
type Fault struct {
	Path    string // within the entry, for example "rows[0].usd_per_million.input"
	Message string
}

// String is the fault in one line.
func (f Fault) String() string { return f.Path + ": " + f.Message }

// compile turns an entry into prices and lists everything wrong with it.
func (e *Entry) compile() ([]*Price, []Fault) {
	var faults []Fault
	fail := func(path, format string, args ...any) {
		faults = append(faults, Fault{path, fmt.Sprintf(format, args...)})
	}
	if e.Provider == "" {
		fail("provider", "is missing")
	}
	if e.Model == "" {
		fail("model", `is missing; "*" means every model`)
	}
	from, err := day(e.From)
	if err != nil {
		fail("from", "is no date such as 2026-01-31")
	}
	until, err := day(e.Until)
	if err != nil {
		fail("until", "is no date such as 2026-01-31")
	}
	if !until.IsZero() && !from.Before(until) {
		fail("until", "is not after from")
	}
	if len(e.Rows) == 0 {
		fail("rows", "need at least one row of rates")
	}
	type place struct {
		mode  Mode
		above int64
	}
	seen := map[place]bool{}
	prices := make([]*Price, 0, len(e.Rows))
	for i, row := range e.Rows {
		price, rowFaults := e.compileRow(row)
		for _, fault := range rowFaults {
			fail(fmt.Sprintf("rows[%d].%s", i, fault.Path), "%s", fault.Message)
		}
		if at := (place{price.Mode, price.Above}); seen[at] {
			fail(fmt.Sprintf("rows[%d]", i), "repeats mode %s above %d", at.mode, at.above)
		} else {
			seen[at] = true
		}
		price.From, price.Until = from, until
		price.Version = price.version()
		prices = append(prices, price)
	}
	if len(e.Rows) > 0 && !seen[place{Standard, 0}] {
		fail("rows", "need one of mode standard without a tier")
	}
	return prices, faults
}

func (e *Entry) compileRow(row Row) (*Price, []Fault) {
	var faults []Fault
	price := &Price{
		Provider: e.Provider, Model: strings.ToLower(e.Model), Region: e.Region, Mode: row.Mode, Above: row.Above,
		Source: e.Source, Disputed: e.Disputed,
	}
	if price.Mode == "" {
		price.Mode = Standard
	}
	if !price.Mode.Valid() {
		faults = append(faults, Fault{"mode", fmt.Sprintf("%q is none of standard, batch, flex, priority", row.Mode)})
	}
	if row.Above < 0 {
		faults = append(faults, Fault{"above", "is negative"})
	}
	field := "usd_per_million"
	rates := row.USD
	if row.Nano != nil {
		field, rates = "nano", make(map[string]money.Rate, len(row.Nano))
		for name, nano := range row.Nano {
			rates[name] = money.Rate(nano)
		}
	}
	if len(rates) == 0 {
		faults = append(faults, Fault{field, "lists no rate"})
	}
	for name, rate := range rates {
		class, ok := ClassNamed(name)
		switch {
		case !ok:
			faults = append(faults, Fault{field + "." + name, "is no token class; there are " + strings.Join(classNames[:], ", ")})
		case rate < 0:
			faults = append(faults, Fault{field + "." + name, "is negative"})
		default:
			price.Rates.Set(class, rate)
		}
	}
	return price, faults
}

func day(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	return time.Parse(time.DateOnly, text)
}

// version hashes what the row says, so that the same price has the same
// version in every build and any change gives a new one.
func (p *Price) version() string {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\x00%s\x00%s\x00%s\x00%d\x00%d\x00%d", p.Provider, p.Model, p.Region, p.Mode, p.Above, dayNumber(p.From), dayNumber(p.Until))
	for class := range ClassCount {
		if rate, ok := p.Rates.Listed(class); ok {
			fmt.Fprintf(hash, "\x00%s=%d", class, rate)
		}
	}
	return "pv_" + hex.EncodeToString(hash.Sum(nil)[:8])
}

func dayNumber(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.Unix()
}

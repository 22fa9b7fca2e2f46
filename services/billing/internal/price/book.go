package price

import (
	"fmt"
	"iter"
	"regexp"
	"strings"
	"time"
)

// anyModel is the name of the price of every model without a row of its own.
const anyModel = "*"

// Query asks for the price of one request.
type Query struct {
	Provider string
	Model    string
	Region   string
	Mode     Mode      // empty: standard
	At       time.Time // when the request was made
	Context  int64     // prompt length in tokens
}

// Book finds prices. It never changes after New; a new configuration makes a new book.
type Book struct {
	layers []layer // the operator's first, the catalogue last
	prices []*Price
}

// layer holds one source of prices by provider and model name.
type layer map[string]map[string][]*Price

// NewBook puts the operator's entries above the shipped catalogue. It returns
// every fault of the entries, each path starting with its index ("[0].model").
func NewBook(entries []Entry) (*Book, []Fault) {
	own, prices, faults := newLayer(entries)
	shipped, err := builtin()
	if err != nil {
		return nil, append(faults, Fault{"", err.Error()})
	}
	return &Book{
		layers: []layer{own, shipped.layer},
		prices: append(prices, shipped.prices...),
	}, faults
}

func newLayer(entries []Entry) (layer, []*Price, []Fault) {
	index := layer{}
	var all []*Price
	var faults []Fault
	taken := map[string]int{}
	for i := range entries {
		entry := &entries[i]
		prices, entryFaults := entry.compile()
		for _, fault := range entryFaults {
			faults = append(faults, Fault{fmt.Sprintf("[%d].%s", i, fault.Path), fault.Message})
		}
		for _, name := range append([]string{entry.Model}, entry.Aliases...) {
			name = strings.ToLower(name)
			place := strings.Join([]string{entry.Provider, name, entry.Region, entry.From}, "\x00")
			if other, ok := taken[place]; ok {
				faults = append(faults, Fault{fmt.Sprintf("[%d].model", i), fmt.Sprintf("%q has the same provider, region and date as entry [%d]", name, other)})
				continue
			}
			taken[place] = i
			if index[entry.Provider] == nil {
				index[entry.Provider] = map[string][]*Price{}
			}
			index[entry.Provider][name] = append(index[entry.Provider][name], prices...)
		}
		all = append(all, prices...)
	}
	return index, all, faults
}

// Prices lists every price of the book, the operator's first.
func (b *Book) Prices() []*Price { return b.prices }

// Find returns the price of a request, or ErrUnpriced. The name is tried as it
// is, as an alias, without its date or version suffix, and as "*". A mode
// without a row is charged as standard.
func (b *Book) Find(query Query) (*Price, error) {
	if query.Mode == "" {
		query.Mode = Standard
	}
	for _, layer := range b.layers {
		models := layer[query.Provider]
		if models == nil {
			continue
		}
		for name := range spellings(query.Provider, query.Model) {
			if price := choose(models[name], &query); price != nil {
				return price, nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %s/%s", ErrUnpriced, query.Provider, query.Model)
}

// choose picks the row that fits a request best: its region before any region,
// the latest start, its mode before standard, the highest tier that it exceeds.
func choose(prices []*Price, query *Query) *Price {
	var best *Price
	for _, price := range prices {
		if price.fits(query) && (best == nil || price.better(best, query)) {
			best = price
		}
	}
	return best
}

func (p *Price) fits(query *Query) bool {
	return (p.Region == "" || p.Region == query.Region) &&
		(p.Mode == Standard || p.Mode == query.Mode) &&
		!query.At.Before(p.From) && (p.Until.IsZero() || query.At.Before(p.Until)) &&
		(p.Above == 0 || query.Context > p.Above)
}

func (p *Price) better(than *Price, query *Query) bool {
	if p.Region != than.Region {
		return p.Region == query.Region
	}
	if !p.From.Equal(than.From) {
		return p.From.After(than.From)
	}
	if p.Mode != than.Mode {
		return p.Mode == query.Mode
	}
	return p.Above > than.Above
}

// dateSuffix is what providers append to the name of a dated snapshot:
// -2024-07-18, -20241022, @20241022, @default, -001.
var dateSuffix = regexp.MustCompile(`(-\d{4}-\d{2}-\d{2}|[-@]\d{8}|@default|-00\d)$`)

// spellings gives the names under which a model may be listed, the exact one first.
func spellings(provider, model string) iter.Seq[string] {
	return func(yield func(string) bool) {
		name := strings.ToLower(model)
		if !yield(name) {
			return
		}
		if cut := qualified(provider, name); cut != name {
			if name = cut; !yield(name) {
				return
			}
		}
		if provider != "bedrock" { // there the date is part of the identifier, and each is a price of its own
			if cut := dateSuffix.ReplaceAllString(name, ""); cut != name && !yield(cut) {
				return
			}
		}
		yield(anyModel)
	}
}

// qualified cuts off what a provider adds around the name of a model.
func qualified(provider, name string) string {
	switch provider {
	case "gemini", "vertex": // publishers/google/models/NAME, models/NAME
		return name[strings.LastIndexByte(name, '/')+1:]
	case "openai", "azure": // ft:BASE:organisation:suffix:id
		return fineTuneBase(name)
	}
	return name
}

// fineTuneBase cuts a fine-tuned model's name down to the part that has a price.
func fineTuneBase(name string) string {
	const prefix = "ft:"
	tuned, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return name
	}
	base, _, _ := strings.Cut(tuned, ":")
	return prefix + base
}

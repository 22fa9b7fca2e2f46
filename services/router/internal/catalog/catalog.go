// Package catalog knows models: how much they read and write, what they take,
// which tokenizer they have, what they are priced as. The facts are data, in
// models.yaml; the configuration adds to them and corrects them.
package catalog

import (
	"bytes"
	_ "embed" // the models
	"fmt"
	"slices"
	"sync"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tollgate/tollgate/services/router/internal/capability"
)

//go:embed models.yaml
var shippedFile []byte

//go:embed NOTICE
var notice string

// Notice is the attribution that the licences of the sources ask for.
func Notice() string { return notice }

// Model is what is known of a model. It does not change.
type Model struct {
	// Name is the catalogue's own: without prefixes of providers and regions.
	Name string
	// Vendor made it; Family is the line that it belongs to; Latest says that it
	// is the newest of that line.
	Vendor, Family string
	Latest         bool
	// Context is the most tokens that it reads, Output the most that it writes; 0
	// if not known.
	Context, Output int64
	// Input lists the modalities that it reads.
	Input []string
	// Lacks is what it does not take, though others behind the same wire format do.
	Lacks capability.Set
	// Quality is how good its answers are, above 0 and at most 1; 0 if nobody says.
	Quality float64
	// Tokenizer is the tokenizer's name, if it is public.
	Tokenizer string
	// Price names the row of the price list, as provider/model; empty if it has
	// none. Other providers may ask other prices for the same model.
	Price string
	// Retires is the day on which it is switched off; zero if none is known.
	Retires time.Time
}

// Catalog finds models. It does not change once it is made.
type Catalog struct {
	models map[string]*Model // by every name that they have, in lower case
	own    map[string]*Model // those of the configuration, which come first
}

var shipped = sync.OnceValues(readShipped)

func readShipped() (*Catalog, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(shippedFile))
	decoder.KnownFields(true)
	var file file
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("read model catalogue: %w", err)
	}
	return file.catalog()
}

// New makes a catalogue of the shipped models and those of a configuration that
// Validate has found good.
func New(entries []Entry) (*Catalog, error) {
	base, err := shipped()
	if err != nil {
		return nil, err
	}
	c := &Catalog{models: base.models, own: make(map[string]*Model, len(entries))}
	for i := range entries {
		m, err := entries[i].model(c)
		if err != nil {
			return nil, fmt.Errorf("read model %q: %w", entries[i].Name, err)
		}
		if err := put(c.own, m, entries[i].Aliases); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Default holds the shipped models only.
func Default() (*Catalog, error) { return New(nil) }

// Models lists what is known, by name.
func (c *Catalog) Models() []*Model {
	var list []*Model
	for name, m := range c.models {
		if name == m.Name && c.own[name] == nil {
			list = append(list, m)
		}
	}
	for name, m := range c.own {
		if name == m.Name {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b *Model) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return list
}

// exact finds a name in lower case. A conversion in the index of a map does
// not allocate.
func (c *Catalog) exact(name []byte) *Model {
	if m := c.own[string(name)]; m != nil {
		return m
	}
	return c.models[string(name)]
}

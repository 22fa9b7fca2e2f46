package price

import (
	"bytes"
	_ "embed" // the catalogue
	"encoding/json"
	"fmt"
	"sync"
)

//go:generate go run ./gen -out catalogue.json ${PRICES_DIR}

//go:embed catalogue.json
var catalogueFile []byte

//go:embed NOTICE
var notice string

// Notice is the attribution that the licences of the price lists ask for.
func Notice() string { return notice }

// Catalogue is the file of shipped prices.
type Catalogue struct {
	// Sources say what the prices were taken from.
	Sources []Source `json:"sources"`
	// Entries are the price lists.
	Entries []Entry `json:"entries"`
}

// Source is one published price list.
type Source struct {
	Name     string `json:"name"`
	URL      string `json:"url"`
	Snapshot string `json:"snapshot"` // the day on which it was copied
	Licence  string `json:"licence"`
}

type shippedPrices struct {
	layer  layer
	prices []*Price
}

// builtin reads the shipped catalogue once and adds the price of the built-in
// provider, which is nothing: it runs in this process.
var builtin = sync.OnceValues(func() (*shippedPrices, error) {
	catalogue, err := ReadCatalogue(catalogueFile)
	if err != nil {
		return nil, err
	}
	free := Row{Nano: map[string]int64{Input.String(): 0, Output.String(): 0}}
	entries := append(catalogue.Entries, Entry{Provider: "builtin", Model: anyModel, Source: "tollgate", Rows: []Row{free}})
	index, prices, faults := newLayer(entries)
	if len(faults) > 0 {
		return nil, fmt.Errorf("read price catalogue: %s", faults[0])
	}
	return &shippedPrices{layer: index, prices: prices}, nil
})

// ReadCatalogue parses a catalogue file; unknown fields are an error.
func ReadCatalogue(file []byte) (*Catalogue, error) {
	decoder := json.NewDecoder(bytes.NewReader(file))
	decoder.DisallowUnknownFields()
	var catalogue Catalogue
	if err := decoder.Decode(&catalogue); err != nil {
		return nil, fmt.Errorf("read price catalogue: %w", err)
	}
	return &catalogue, nil
}

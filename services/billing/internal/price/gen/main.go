// Command gen writes the shipped price catalogue from copies of two published
// price lists: LiteLLM's (breadth) and genai-prices' (dates, second opinion).
//
//	go run ./gen [-out catalogue.json] DIRECTORY
//
// DIRECTORY holds litellm_model_prices_and_context_window.json and
// genai_prices_v2_data.json.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// The days on which the two lists were copied.
const (
	litellmSnapshot = "2026-08-01"
	genaiSnapshot   = "2026-08-21"
)

func main() {
	out := flag.String("out", "catalogue.json", "the file to write")
	flag.Parse()
	if err := run(flag.Arg(0), *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(directory, out string) error {
	models, err := readLiteLLM(filepath.Join(directory, "litellm_model_prices_and_context_window.json"))
	if err != nil {
		return err
	}
	opinions, err := readGenAI(filepath.Join(directory, "genai_prices_v2_data.json"))
	if err != nil {
		return err
	}
	entries := build(models, opinions)
	if _, faults := price.NewBook(entries); len(faults) > 0 {
		return fmt.Errorf("%d faults, the first: %s", len(faults), faults[0])
	}
	return write(out, entries)
}

// build turns the models worth shipping into entries, with notes and later
// prices from the second list, and folds names of equal price together.
func build(models []litellmModel, opinions *genai) []price.Entry {
	var entries []price.Entry
	for _, model := range models {
		if skip, why := unwanted(&model); skip {
			if why != "" {
				fmt.Fprintf(os.Stderr, "left out %s: %s\n", model.key, why)
			}
			continue
		}
		base := price.Entry{Provider: model.provider, Model: model.name, Region: model.region, Source: "litellm", Rows: model.rows()}
		second := opinions.find(model.provider, model.name)
		if second != nil && model.region == "" {
			base.Disputed = second.disputes(base.Rows)
		}
		entries = append(entries, base)
		entries = append(entries, model.regional(base)...)
		if second != nil && model.region == "" {
			entries = append(entries, second.later(base)...)
		}
	}
	return fold(entries)
}

// fold drops what the look-up finds by itself: dated names that cost the same as
// the name without the date, and regions that cost the same as everywhere.
func fold(entries []price.Entry) []price.Entry {
	slices.SortStableFunc(entries, func(a, b price.Entry) int {
		return slices.Compare(order(&a), order(&b))
	})
	listed := map[string]*price.Entry{}
	kept := make([]price.Entry, 0, len(entries))
	for _, entry := range entries {
		at := listing(&entry, entry.Model, entry.Region)
		if first := listed[at]; first != nil { // once under each of two prefixes
			if !within(entry.Rows, first.Rows) {
				fmt.Fprintf(os.Stderr, "%s/%s is listed twice with different prices: the first is kept\n", entry.Provider, entry.Model)
			}
			continue
		}
		undated := listed[listing(&entry, stem(&entry), entry.Region)]
		anywhere := listed[listing(&entry, entry.Model, "")]
		if (undated != nil && within(entry.Rows, undated.Rows)) || (anywhere != nil && within(entry.Rows, anywhere.Rows)) {
			continue
		}
		kept = append(kept, entry)
		listed[at] = &kept[len(kept)-1]
	}
	return kept
}

// listing is where an entry stands in the list.
func listing(entry *price.Entry, model, region string) string {
	return strings.Join([]string{entry.Provider, model, region, entry.From}, "|")
}

// order sorts the name without a date before those with one, and every region before one.
func order(entry *price.Entry) []string {
	return []string{entry.Provider, stem(entry), entry.Model, entry.Region, entry.From}
}

// within tells whether all rows of one entry stand in another.
func within(rows, others []price.Row) bool {
	for _, row := range rows {
		if !slices.ContainsFunc(others, func(other price.Row) bool {
			return row.Mode == other.Mode && row.Above == other.Above && maps.Equal(row.Nano, other.Nano)
		}) {
			return false
		}
	}
	return true
}

// write prints one entry a line, so that a change of price is one line of a diff.
func write(path string, entries []price.Entry) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriter(file)
	sources, err := json.Marshal([]price.Source{
		{Name: "litellm", URL: "https://github.com/BerriAI/litellm", Snapshot: litellmSnapshot, Licence: "MIT"},
		{Name: "genai-prices", URL: "https://github.com/pydantic/genai-prices", Snapshot: genaiSnapshot, Licence: "MIT"},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(buffered, "{\"sources\":%s,\n\"entries\":[\n", sources)
	rows := 0
	for i, entry := range entries {
		line, err := json.Marshal(entry)
		if err != nil {
			return err
		}
		rows += len(entry.Rows)
		if i > 0 {
			buffered.WriteString(",\n")
		}
		buffered.Write(line)
	}
	buffered.WriteString("\n]}\n")
	fmt.Fprintf(os.Stderr, "%d entries, %d rows\n", len(entries), rows)
	if err := buffered.Flush(); err != nil {
		return err
	}
	return file.Close()
}

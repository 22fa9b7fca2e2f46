package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// genai is the second list: providers with models that match by rule.
type genai struct {
	providers map[string][]genaiModel
}

type genaiModel struct {
	ID     string          `json:"id"`
	Match  rule            `json:"match"`
	Prices json.RawMessage `json:"prices"`
}

// rule is how genai-prices says which names a model has; one field is set.
type rule struct {
	Equals     string `json:"equals"`
	StartsWith string `json:"starts_with"`
	EndsWith   string `json:"ends_with"`
	Contains   string `json:"contains"`
	Regex      string `json:"regex"`
	Or         []rule `json:"or"`
	And        []rule `json:"and"`
}

func (r *rule) matches(name string) bool {
	holds := func(part rule) bool { return part.matches(name) }
	switch {
	case r.Equals != "":
		return name == r.Equals
	case r.StartsWith != "":
		return strings.HasPrefix(name, r.StartsWith)
	case r.EndsWith != "":
		return strings.HasSuffix(name, r.EndsWith)
	case r.Contains != "":
		return strings.Contains(name, r.Contains)
	case r.Regex != "":
		match, err := regexp.MatchString(r.Regex, name)
		return err == nil && match
	case len(r.Or) > 0:
		return slices.ContainsFunc(r.Or, holds)
	case len(r.And) > 0:
		return !slices.ContainsFunc(r.And, func(part rule) bool { return !holds(part) })
	}
	return false
}

// genaiProviders maps our providers to genai-prices' (a name may serve two).
var genaiProviders = map[string]string{
	"openai": "openai", "azure": "azure", "anthropic": "anthropic", "gemini": "google", "vertex": "google", "bedrock": "aws",
}

// genaiClasses maps genai-prices' fields to token classes.
var genaiClasses = map[string]price.Class{
	"input_mtok": price.Input, "output_mtok": price.Output, "cache_read_mtok": price.CacheRead,
	"cache_write_mtok": price.CacheWrite5m, "cache_write_1h_mtok": price.CacheWrite1h,
	"input_audio_mtok": price.InputAudio, "output_audio_mtok": price.OutputAudio,
}

func readGenAI(path string) (*genai, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []struct {
		ID     string       `json:"id"`
		Models []genaiModel `json:"models"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	all := &genai{providers: map[string][]genaiModel{}}
	for _, provider := range list {
		all.providers[provider.ID] = provider.Models
	}
	return all, nil
}

// opinion is what the second list says about one model: prices by start date.
type opinion struct {
	periods []period
}

type period struct {
	from string // empty: always
	rows []price.Row
}

// find returns the second list's prices of a model, or nil. Claude on Vertex
// costs what Anthropic charges where the list has no row of its own.
func (g *genai) find(provider, name string) *opinion {
	found := g.findIn(genaiProviders[provider], name)
	if found == nil && provider == "vertex" && strings.HasPrefix(name, "claude-") {
		found = g.findIn("anthropic", name)
	}
	return found
}

func (g *genai) findIn(list, name string) *opinion {
	for _, model := range g.providers[list] {
		if !model.Match.matches(strings.ToLower(name)) {
			continue
		}
		periods, err := readPeriods(model.Prices)
		if err != nil {
			fmt.Fprintf(os.Stderr, "genai-prices %s: %v\n", model.ID, err)
			return nil
		}
		return &opinion{periods}
	}
	return nil
}

// readPeriods reads one set of prices, or a list of them with start dates.
func readPeriods(raw json.RawMessage) ([]period, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		rows, err := readRows(raw)
		return []period{{rows: rows}}, err
	}
	var list []struct {
		Constraint struct {
			StartDate string `json:"start_date"`
			StartTime string `json:"start_time"`
		} `json:"constraint"`
		Prices json.RawMessage `json:"prices"`
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, err
	}
	var periods []period
	for _, item := range list {
		if item.Constraint.StartTime != "" {
			return nil, fmt.Errorf("a price by time of day cannot be kept")
		}
		rows, err := readRows(item.Prices)
		if err != nil {
			return nil, err
		}
		periods = append(periods, period{item.Constraint.StartDate, rows})
	}
	return periods, nil
}

// readRows turns {"input_mtok": 3, "output_mtok": {"base": 15, "tiers": […]}} into rows by tier.
func readRows(raw json.RawMessage) ([]price.Row, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var fields map[string]any
	if err := decoder.Decode(&fields); err != nil {
		return nil, err
	}
	base := map[string]int64{}
	tiers := map[int64]map[string]int64{}
	for field, value := range fields {
		class, ok := genaiClasses[field]
		if !ok {
			continue
		}
		if err := readRate(class.String(), value, base, tiers); err != nil {
			return nil, fmt.Errorf("%s: %w", field, err)
		}
	}
	rows := []price.Row{{Nano: base}}
	for above, rates := range tiers {
		completeTier(rates, base)
		rows = append(rows, price.Row{Above: above, Nano: rates})
	}
	slices.SortFunc(rows, func(a, b price.Row) int { return int(a.Above - b.Above) })
	return rows, nil
}

func readRate(class string, value any, base map[string]int64, tiers map[int64]map[string]int64) error {
	const nanoPower = 9 // US dollars to nano-USD
	var err error
	switch value := value.(type) {
	case json.Number:
		base[class], err = nanoPerMillion(value.String(), nanoPower)
		return err
	case map[string]any:
		if err := readRate(class, value["base"], base, nil); err != nil {
			return err
		}
		steps, _ := value["tiers"].([]any)
		for _, step := range steps {
			fields, _ := step.(map[string]any)
			start, _ := fields["start"].(json.Number)
			above, err := start.Int64()
			if err != nil {
				return err
			}
			if tiers[above] == nil {
				tiers[above] = map[string]int64{}
			}
			if err := readRate(class, fields["price"], tiers[above], nil); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%v is neither a number nor a list of tiers", value)
}

// current is the period that held on the day of the first list's snapshot.
func (o *opinion) current() *period {
	var found *period
	for i := range o.periods {
		if o.periods[i].from <= litellmSnapshot {
			found = &o.periods[i]
		}
	}
	return found
}

// disputes lists the ordinary rates that differ by more than 1 %, in US dollars per million.
func (o *opinion) disputes(rows []price.Row) string {
	now := o.current()
	if now == nil || len(rows) == 0 {
		return ""
	}
	var notes []string
	for class := range price.ClassCount {
		name := class.String()
		ours, listed := rows[0].Nano[name]
		theirs, known := now.rows[0].Nano[name]
		if listed && known && differs(ours, theirs) {
			notes = append(notes, fmt.Sprintf("%s %s", name, dollars(theirs)))
		}
	}
	if len(notes) == 0 {
		return ""
	}
	return "genai-prices " + genaiSnapshot + ": " + strings.Join(notes, ", ")
}

func differs(a, b int64) bool {
	high, low := max(a, b), min(a, b)
	return (high-low)*100 > high
}

func dollars(nano int64) string {
	text := strings.TrimRight(fmt.Sprintf("%d.%09d", nano/1e9, nano%1e9), "0")
	return strings.TrimSuffix(text, ".")
}

// later makes an entry for each announced change after the first list's snapshot.
func (o *opinion) later(base price.Entry) []price.Entry {
	var entries []price.Entry
	for _, period := range o.periods {
		if period.from <= litellmSnapshot {
			continue
		}
		entry := price.Entry{
			Provider: base.Provider, Model: base.Model, From: period.from, Source: "genai-prices", Rows: period.rows,
		}
		carry(entry.Rows[0].Nano, base.Rows[0].Nano)
		entries = append(entries, entry)
	}
	return entries
}

// carry adds the classes that only the first list knows.
func carry(later, before map[string]int64) {
	for class := range before {
		if _, ok := later[class]; !ok {
			carryClass(later, before, class)
		}
	}
}

// carryClass raises a class as much as input was.
func carryClass(later, before map[string]int64, class string) {
	const input = "input"
	if raised, err := scaled(before[class], later[input], before[input]); err == nil {
		later[class] = raised
	}
}

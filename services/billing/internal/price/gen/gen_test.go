package main

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/billing/internal/price"
)

func TestPricesAreExactOrRefused(t *testing.T) {
	for text, want := range map[string]int64{"2.5e-06": 2_500_000_000, "0.00000015": 150_000_000, "0": 0, "4.125e-06": 4_125_000_000} {
		if got, err := nanoPerMillion(text, 15); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"-1", "-1e-9", "NaN", "Inf", "-Inf", "1e-16", "1e30", "", "x"} {
		if got, err := nanoPerMillion(text, 15); err == nil {
			t.Errorf("%s is read as %d", text, got)
		}
	}
}

func example() *litellmModel {
	m := &litellmModel{key: "m", provider: "openai", name: "m", mode: "chat", costs: map[place]map[string]int64{}}
	fields := map[string]any{
		"input_cost_per_token": json.Number("1e-6"), "output_cost_per_token": json.Number("4e-6"), "cache_read_input_token_cost": json.Number("1e-7"),
		"input_cost_per_audio_token":             json.Number("9e-6"),
		"input_cost_per_token_above_200k_tokens": json.Number("2e-6"), "output_cost_per_token_above_200k_tokens": json.Number("6e-6"),
		"cache_creation_input_token_cost_above_200k_tokens": json.Number("5e-6"),
		"input_cost_per_token_batches":                      json.Number("5e-7"), "output_cost_per_token_batches": json.Number("2e-6"),
		"input_cost_per_second": json.Number("1"),
	}
	m.read(fields)
	return m
}

func TestRows(t *testing.T) {
	want := []price.Row{
		{Nano: map[string]int64{"input": 1e9, "output": 4e9, "cache_read": 1e8, "input_audio": 9e9}},
		// A class that the tier does not list rises as much as input.
		{Above: 200_000, Nano: map[string]int64{"input": 2e9, "output": 6e9, "cache_read": 2e8, "input_audio": 18e9}},
		{Mode: price.Batch, Nano: map[string]int64{"input": 5e8, "output": 2e9}},
		// The batch tier is not listed: it rises as the ordinary one does.
		{Mode: price.Batch, Above: 200_000, Nano: map[string]int64{"input": 1e9, "output": 3e9}},
	}
	got := example().rows()
	if len(got) != len(want) {
		t.Fatalf("%d rows: %+v", len(got), got)
	}
	for i := range want {
		if got[i].Mode != want[i].Mode || got[i].Above != want[i].Above || !maps.Equal(got[i].Nano, want[i].Nano) {
			t.Errorf("row %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestNegativePricesLeaveAModelOut(t *testing.T) {
	m := example()
	m.read(map[string]any{"input_cost_per_token": json.Number("-1")})
	if skip, why := unwanted(m); !skip || !strings.Contains(why, "negative") {
		t.Errorf("skip %v: %s", skip, why)
	}
}

func TestSecondOpinion(t *testing.T) {
	periods, err := readPeriods(json.RawMessage(`[
		{"prices": {"input_mtok": 1, "output_mtok": {"base": 4.1, "tiers": [{"start": 200000, "price": 6}]}, "web_searches_kcount": 10}},
		{"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 2, "output_mtok": 8}}]`))
	if err != nil {
		t.Fatal(err)
	}
	second := &opinion{periods}
	if got := second.disputes(example().rows()); got != "genai-prices "+genaiSnapshot+": output 4.1" {
		t.Errorf("disputed: %q", got)
	}
	base := price.Entry{Provider: "openai", Model: "m", Rows: example().rows()}
	later := second.later(base)
	if len(later) != 1 || later[0].From != "2027-01-01" || later[0].Rows[0].Nano["input"] != 2e9 {
		t.Fatalf("later %+v", later)
	}
	if got := later[0].Rows[0].Nano["cache_read"]; got != 2e8 { // only the first list knows it: it doubles with input
		t.Errorf("carried cache_read %d", got)
	}
	if _, err := readPeriods(json.RawMessage(`[{"constraint": {"start_time": "09:00"}, "prices": {}}]`)); err == nil {
		t.Error("a price by time of day is accepted")
	}
}

func TestRules(t *testing.T) {
	r := rule{Or: []rule{{Equals: "a"}, {And: []rule{{StartsWith: "b"}, {EndsWith: "z"}}}, {Contains: "-mid-"}, {Regex: `^c\d$`}}}
	for name, want := range map[string]bool{"a": true, "ab": false, "bz": true, "b": false, "x-mid-y": true, "c7": true, "c77": false} {
		if got := r.matches(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestFold(t *testing.T) {
	rows := func(input int64) []price.Row { return []price.Row{{Nano: map[string]int64{"input": input}}} }
	kept := fold([]price.Entry{
		{Provider: "openai", Model: "m-2026-01-01", Rows: rows(1)},
		{Provider: "openai", Model: "m", Rows: rows(1)},
		{Provider: "openai", Model: "m-2025-01-01", Rows: rows(2)},
		{Provider: "openai", Model: "m", Region: "eu", Rows: rows(1)},
		{Provider: "openai", Model: "m", Region: "us", Rows: rows(3)},
		{Provider: "bedrock", Model: "b-20250101", Rows: rows(1)},
		{Provider: "bedrock", Model: "b", Rows: rows(1)},
	})
	var names []string
	for _, entry := range kept {
		names = append(names, entry.Model+entry.Region)
	}
	if got := strings.Join(names, " "); got != "b b-20250101 m mus m-2025-01-01" {
		t.Errorf("kept %s", got)
	}
}

package price

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/money"
	"pgregory.net/rapid"
)

func book(t testing.TB, entries ...Entry) *Book {
	t.Helper()
	book, faults := NewBook(entries)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return book
}

func on(text string) time.Time {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err)
	}
	return at
}

// TestInvoices works through requests by hand from public list prices.
func TestInvoices(t *testing.T) {
	november := on("2026-11-01")
	for _, tc := range []struct {
		name   string
		query  Query
		tokens Tokens
		want   string // US dollars
	}{
		// $0.15 input, $0.075 cached, $0.60 output a million: 0.18 + 0.0225 + 0.24
		{
			"gpt-4o-mini",
			Query{Provider: "openai", Model: "gpt-4o-mini"},
			Tokens{Input: 1_200_000, CacheRead: 300_000, Output: 400_000},
			"0.4425",
		},
		{
			"gpt-4o-mini by its dated name",
			Query{Provider: "openai", Model: "gpt-4o-mini-2024-07-18"},
			Tokens{Input: 1_000_000},
			"0.15",
		},
		// half of the ordinary price
		{
			"gpt-4o-mini in a batch",
			Query{Provider: "openai", Model: "gpt-4o-mini", Mode: Batch},
			Tokens{Input: 1_000_000, Output: 1_000_000},
			"0.375",
		},
		// $3, write 5m $3.75, write 1h $6, read $0.30, output $15: 0.03 + 0.0075 + 0.006 + 0.015 + 0.045
		{
			"claude-sonnet-4-5 with caching",
			Query{Provider: "anthropic", Model: "claude-sonnet-4-5-20250929"},
			Tokens{Input: 10_000, CacheWrite5m: 2_000, CacheWrite1h: 1_000, CacheRead: 50_000, Output: 3_000},
			"0.1035",
		},
		// exactly 200,000 tokens stay below the tier: 0.6 + 0.015
		{
			"claude-sonnet-4-5 at the tier",
			Query{Provider: "anthropic", Model: "claude-sonnet-4-5"},
			Tokens{Input: 150_000, CacheRead: 0, CacheWrite5m: 0, InputImage: 50_000, Output: 1_000},
			"0.615",
		},
		// one token more reprices everything: 200,001 × $6 + 1,000 × $22.50
		{
			"claude-sonnet-4-5 above the tier",
			Query{Provider: "anthropic", Model: "claude-sonnet-4-5"},
			Tokens{Input: 200_001, Output: 1_000},
			"1.222506",
		},
		// cached tokens count towards the tier: 100,000 × $2.50 + 150,000 × $0.25 + 2,000 × $15
		{
			"gemini-2.5-pro with a long cached prompt",
			Query{Provider: "vertex", Model: "gemini-2.5-pro"},
			Tokens{Input: 100_000, CacheRead: 150_000, Output: 2_000},
			"0.3175",
		},
		// thinking is charged as output: 1,000 × $1.25 + 3,000 × $10
		{
			"gemini-2.5-pro thinking",
			Query{Provider: "gemini", Model: "models/gemini-2.5-pro"},
			Tokens{Input: 1_000, Output: 1_000, Reasoning: 2_000},
			"0.03125",
		},
		// the geographic profile costs a tenth more than the plain name
		{
			"Bedrock us. profile",
			Query{Provider: "bedrock", Model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
			Tokens{Input: 1_000_000 / 10, Output: 100_000},
			"1.98",
		},
		{
			"Bedrock global. profile",
			Query{Provider: "bedrock", Model: "global.anthropic.claude-sonnet-4-5-20250929-v1:0"},
			Tokens{Input: 100_000, Output: 100_000},
			"1.8",
		},
		{
			"Azure in the EU",
			Query{Provider: "azure", Model: "gpt-5.1", Region: "eu"},
			Tokens{Input: 1_000_000, Output: 100_000},
			"2.48",
		},
		{
			"OpenAI in a region without a row of its own",
			Query{Provider: "openai", Model: "gpt-4o-mini", Region: "us-east-1"},
			Tokens{Input: 1_000_000},
			"0.15",
		},
		// 300,000 × $1.25 × 2 + 1,000 × $7.50 × 1.5
		{
			"gpt-5.4 flex above its tier",
			Query{Provider: "openai", Model: "gpt-5.4", Mode: Flex},
			Tokens{Input: 300_000, Output: 1_000},
			"0.76125",
		},
		{
			"before a change of price",
			Query{Provider: "anthropic", Model: "claude-sonnet-5", At: on("2026-08-31")},
			Tokens{Input: 1_000_000, Output: 1_000_000},
			"12",
		},
		{
			"after a change of price",
			Query{Provider: "anthropic", Model: "claude-sonnet-5", At: on("2026-09-01")},
			Tokens{Input: 1_000_000, Output: 1_000_000},
			"18",
		},
		{
			"sound",
			Query{Provider: "gemini", Model: "gemini-2.5-flash"},
			Tokens{InputAudio: 1_000_000},
			"1",
		},
		{
			"the built-in provider is free",
			Query{Provider: "builtin", Model: "echo"},
			Tokens{Input: 1_000_000, Output: 5},
			"0",
		},
		{
			"a fine-tuned model",
			Query{Provider: "openai", Model: "ft:gpt-4o-mini-2024-07-18:acme:help:abc123"},
			Tokens{Input: 1_000_000},
			"0.3",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.query.At.IsZero() {
				tc.query.At = november
			}
			tc.query.Context = tc.tokens.Context()
			price, err := book(t).Find(tc.query)
			if err != nil {
				t.Fatal(err)
			}
			components, total, err := price.Quote(&tc.tokens)
			if err != nil {
				t.Fatal(err)
			}
			want, err := money.ParseUSD(tc.want)
			if err != nil {
				t.Fatal(err)
			}
			if total != want {
				t.Errorf("got %s, want %s (%+v)", total, want, components)
			}
			var units int64
			for _, component := range components {
				units += component.Units
			}
			if units != tc.tokens.Total() {
				t.Errorf("components hold %d tokens of %d", units, tc.tokens.Total())
			}
		})
	}
}

func TestUnknownIsUnpricedNotFree(t *testing.T) {
	for _, query := range []Query{
		{Provider: "openai", Model: "gpt-9"},
		{Provider: "nobody", Model: "gpt-4o-mini"},
		{Provider: "openai-compatible", Model: "gpt-4o-mini"},
		{Provider: "bedrock", Model: "mars.anthropic.claude-sonnet-4-5-20250929-v1:0"},
	} {
		if price, err := book(t).Find(query); !errors.Is(err, ErrUnpriced) {
			t.Errorf("%+v: got %+v, %v", query, price, err)
		}
	}
	embedding, err := book(t).Find(Query{Provider: "openai", Model: "text-embedding-3-small", At: on("2026-11-01")})
	if err != nil {
		t.Fatal(err)
	}
	onlyInput := &Price{Rates: Rates{}}
	onlyInput.Rates.Set(Input, 1)
	if _, _, err := onlyInput.Quote(&Tokens{Output: 1}); !errors.Is(err, ErrUnpriced) {
		t.Errorf("output of a model with an input price alone: got %v", err)
	}
	if _, cost, err := embedding.Quote(&Tokens{Input: 1_000_000}); err != nil || cost != 20_000_000 {
		t.Errorf("embedding: got %s, %v", cost, err)
	}
}

func TestOperatorPricesComeFirst(t *testing.T) {
	mine := book(t, Entry{
		Provider: "openai", Model: "gpt-4o-mini",
		Rows: []Row{{USD: map[string]money.Rate{"input": 100_000_000, "output": 0}}},
	}, Entry{
		Provider: "openai-compatible", Model: "*",
		Rows: []Row{{USD: map[string]money.Rate{"input": 0, "output": 0}}},
	})
	at := on("2026-11-01")
	for _, tc := range []struct {
		query Query
		want  money.Amount
	}{
		{Query{Provider: "openai", Model: "gpt-4o-mini", At: at}, 100_000},
		{Query{Provider: "openai", Model: "GPT-4o-mini-2024-07-18", At: at}, 100_000},
		{Query{Provider: "openai", Model: "gpt-4o", At: at}, 2_500_000},
		{Query{Provider: "openai-compatible", Model: "llama", At: at}, 0},
	} {
		price, err := mine.Find(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		if _, cost, err := price.Quote(&Tokens{Input: 1000}); err != nil || cost != tc.want {
			t.Errorf("%s: got %s, %v, want %s", tc.query.Model, cost, err, tc.want)
		}
	}
}

func TestEveryFaultIsReported(t *testing.T) {
	_, faults := NewBook([]Entry{
		{Model: "a", From: "tomorrow", Rows: []Row{{Mode: "fast", USD: map[string]money.Rate{"inputs": 1}}}},
		{Provider: "p", Model: "b", From: "2026-02-01", Until: "2026-01-01", Rows: []Row{{Above: -1, USD: map[string]money.Rate{"input": -1}}, {}, {}}},
		{Provider: "p", Model: "b", From: "2026-02-01"},
	})
	var all strings.Builder
	for _, fault := range faults {
		all.WriteString(fault.String() + "\n")
	}
	for _, want := range []string{
		"[0].provider: is missing", "[0].from: is no date", `[0].rows[0].mode: "fast"`, "[0].rows[0].usd_per_million.inputs: is no token class",
		"[1].until: is not after", "[1].rows[0].above: is negative", "[1].rows[0].usd_per_million.input: is negative",
		"[1].rows[1].usd_per_million: lists no rate", "[1].rows[2]: repeats mode standard", "[2].rows: need at least one", "[2].model: \"b\" has the same",
	} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no fault %q in\n%s", want, all.String())
		}
	}
}

func TestCatalogue(t *testing.T) {
	prices := book(t).Prices()
	if len(prices) < 300 {
		t.Fatalf("%d rows", len(prices))
	}
	versions := map[string]*Price{}
	for _, price := range prices {
		if other := versions[price.Version]; other != nil {
			t.Errorf("version %s is both %+v and %+v", price.Version, other, price)
		}
		versions[price.Version] = price
		if _, ok := price.Rates.For(Input); !ok {
			t.Errorf("%s/%s has no input rate", price.Provider, price.Model)
		}
	}
}

func TestNoticeCoversEverySource(t *testing.T) {
	catalogue, err := ReadCatalogue(catalogueFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range catalogue.Sources {
		if !strings.Contains(Notice(), source.URL) || !strings.Contains(Notice(), source.Snapshot) {
			t.Errorf("NOTICE does not name %s of %s", source.URL, source.Snapshot)
		}
	}
	for _, entry := range catalogue.Entries {
		if entry.Source == "" {
			t.Errorf("%s/%s has no source", entry.Provider, entry.Model)
		}
	}
}

// TestWorstCaseCoversEverySplit asks for a hold on plain input and output and
// lets the provider count them as it likes.
func TestWorstCaseCoversEverySplit(t *testing.T) {
	prices := book(t).Prices()
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.SampledFrom(prices).Draw(t, "price")
		estimate := Tokens{Input: rapid.Int64Range(0, 2_000_000).Draw(t, "input"), Output: rapid.Int64Range(0, 2_000_000).Draw(t, "output")}
		most, err := price.WorstCase(&estimate)
		if err != nil {
			return // an embedding model has no output
		}
		used := Tokens{}
		used[CacheRead] = rapid.Int64Range(0, estimate[Input]).Draw(t, "read")
		used[CacheWrite5m] = rapid.Int64Range(0, estimate[Input]-used[CacheRead]).Draw(t, "written")
		used[Input] = estimate[Input] - used[CacheRead] - used[CacheWrite5m]
		used[Reasoning] = rapid.Int64Range(0, estimate[Output]).Draw(t, "thinking")
		used[Output] = estimate[Output] - used[Reasoning]
		_, cost, err := price.Quote(&used)
		if err != nil {
			t.Fatal(err)
		}
		if cost > most {
			t.Fatalf("%s/%s: %+v costs %s, more than the worst case %s", price.Provider, price.Model, used, cost, most)
		}
	})
}

func TestVersionFollowsContent(t *testing.T) {
	entry := Entry{Provider: "p", Model: "m", Rows: []Row{{USD: map[string]money.Rate{"input": 1}}}}
	first, _ := entry.compile()
	entry.Rows[0].USD["input"] = 2
	second, _ := entry.compile()
	entry.Rows[0].USD["input"] = 1
	third, _ := entry.compile()
	if first[0].Version == second[0].Version || first[0].Version != third[0].Version {
		t.Errorf("versions %s, %s, %s", first[0].Version, second[0].Version, third[0].Version)
	}
}

func FuzzReadCatalogue(f *testing.F) {
	f.Add([]byte(`{"sources":[],"entries":[{"provider":"p","model":"m","rows":[{"nano":{"input":-1}}]}]}`))
	example, err := os.ReadFile(filepath.Join("catalogue.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example[:2000])
	f.Fuzz(func(t *testing.T, file []byte) {
		catalogue, err := ReadCatalogue(file)
		if err != nil {
			return
		}
		index, _, faults := newLayer(catalogue.Entries)
		if len(faults) > 0 {
			return
		}
		for _, models := range index {
			for _, prices := range models {
				for _, price := range prices {
					for class := range ClassCount {
						if rate, _ := price.Rates.For(class); rate < 0 {
							t.Fatalf("negative rate in %+v", price)
						}
					}
				}
			}
		}
	})
}

func BenchmarkFindAndQuote(b *testing.B) {
	prices := book(b)
	tokens := Tokens{Input: 1200, CacheRead: 300, Output: 400}
	query := Query{Provider: "openai", Model: "gpt-4o-mini", At: on("2026-11-01"), Context: tokens.Context()}
	b.ReportAllocs()
	for b.Loop() {
		price, err := prices.Find(query)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err := price.Quote(&tokens); err != nil {
			b.Fatal(err)
		}
	}
}

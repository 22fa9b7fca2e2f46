package ledger

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

func shippedPrices(t testing.TB) *price.Book {
	t.Helper()
	book, faults := price.NewBook(nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return book
}

func example() Record {
	return Record{
		RequestID: "req-1", Attempt: 1, Scopes: budget.Scopes{Organization: "acme", Team: "eng", User: "ada", Key: "key_1"},
		Provider: "openai", Model: "gpt-4o-mini", Region: "eu", Mode: price.Standard, Target: "east", RequestedModel: "small",
		Tokens: price.Tokens{price.Input: 10, price.Output: 20}, Source: FromProvider, Outcome: Succeeded, Start: time.Unix(1_780_000_000, 0),
		Duration: time.Second, FirstToken: time.Millisecond, Hold: "hld_1", TraceID: "t", Metadata: map[string]string{"a": "b"},
	}
}

// TestEveryFieldIsHashed changes each field in turn: a record that differs in
// anything is another record.
func TestEveryFieldIsHashed(t *testing.T) {
	original := example()
	seen := map[string]string{original.Hash(): "nothing"}
	check := func(name string, changed Record) {
		t.Helper()
		hash := changed.Hash()
		if other, ok := seen[hash]; ok {
			t.Errorf("the hash of a changed %s is that of %s", name, other)
		}
		seen[hash] = name
	}
	kind := reflect.TypeFor[Record]()
	for i := range kind.NumField() {
		changed := example()
		name := kind.Field(i).Name
		field := reflect.ValueOf(&changed).Elem().Field(i)
		switch value := field.Addr().Interface().(type) {
		case *budget.Scopes:
			for j := range field.NumField() {
				each := example()
				reflect.ValueOf(&each.Scopes).Elem().Field(j).SetString("other")
				check("scope "+field.Type().Field(j).Name, each)
			}
			continue
		case *price.Tokens:
			for class := range value {
				each := example()
				each.Tokens[class] += 100 + int64(class)
				check("count of "+price.Class(class).String(), each)
			}
			continue
		case *time.Time:
			*value = value.Add(time.Microsecond)
		case *map[string]string:
			*value = map[string]string{"ab": ""}
		default:
			switch field.Kind() {
			case reflect.String:
				field.SetString("other")
			case reflect.Bool:
				field.SetBool(!field.Bool())
			default:
				field.SetInt(field.Int() + 1000 + int64(i))
			}
		}
		check(name, changed)
	}
}

func TestPostingsAreBalanced(t *testing.T) {
	book := shippedPrices(t)
	prices := book.Prices()
	rapid.Check(t, func(t *rapid.T) {
		record := example()
		found := rapid.SampledFrom(prices).Draw(t, "price")
		record.Provider, record.Model, record.Region, record.Mode = found.Provider, found.Model, found.Region, found.Mode
		if rapid.Bool().Draw(t, "unknown") {
			record.Model = "no such model"
		}
		for class := range record.Tokens {
			record.Tokens[class] = rapid.Int64Range(0, 3_000_000).Draw(t, price.Class(class).String())
		}
		posting, err := Post(book, record)
		if err != nil {
			t.Fatal(err)
		}
		debit, credit := posting.Entries[0], posting.Entries[1]
		if debit.Amount+credit.Amount != 0 || debit.Units+credit.Units != 0 || debit.Amount != posting.Cost || debit.Units != record.Tokens.Total() {
			t.Fatalf("entries %+v of a cost of %s", posting.Entries, posting.Cost)
		}
		if posting.Unpriced && (posting.Cost != 0 || posting.PriceVersion != "" || debit.Account != "suspense/spending/keys/key_1") {
			t.Fatalf("unpriced, but %+v", posting)
		}
		if !posting.Unpriced && record.Tokens.Total() > 0 && posting.PriceVersion == "" {
			t.Fatalf("priced without a version: %+v", posting)
		}
	})
}

func TestRecordsThatCanNeverBeBooked(t *testing.T) {
	book := shippedPrices(t)
	for field, spoil := range map[string]func(*Record){
		"request_id":          func(r *Record) { r.RequestID = "" },
		"attempt":             func(r *Record) { r.Attempt = 0 },
		"scopes.organization": func(r *Record) { r.Scopes.Organization = "" },
		"priced_model":        func(r *Record) { r.Model = "" },
		"priced_model.mode":   func(r *Record) { r.Mode = "warp" },
		"usage.source":        func(r *Record) { r.Source = 0 },
		"outcome":             func(r *Record) { r.Outcome = 0 },
		"start_time":          func(r *Record) { r.Start = time.Time{} },
		"usage":               func(r *Record) { r.Source = None },
		"usage.input_tokens":  func(r *Record) { r.Tokens[price.Input] = -1 },
		"usage.output_tokens": func(r *Record) { r.Tokens[price.Output] = maxTokens + 1 },
	} {
		record := example()
		spoil(&record)
		_, err := Post(book, record)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

func TestACachedAnswerCostsNothing(t *testing.T) {
	record := example()
	record.Outcome = Cached
	posting, err := Post(shippedPrices(t), record)
	if err != nil || posting.Cost != 0 || posting.Unpriced {
		t.Errorf("got %+v, %v", posting, err)
	}
}

// failingStore refuses batches that hold a poisoned record.
type failingStore struct{ commits int }

var errPoison = errors.New("cannot store this")

func (s *failingStore) Commit(_ context.Context, postings []Posting) ([]Result, error) {
	results := make([]Result, len(postings))
	for i := range postings {
		if postings[i].Record.RequestID == "poison" {
			return nil, errPoison
		}
		results[i] = Result{Status: Committed}
	}
	s.commits += len(postings)
	return results, nil
}

func TestAPoisonedRecordDoesNotStopTheOthers(t *testing.T) {
	book, store := shippedPrices(t), &failingStore{}
	recorder := NewRecorder(func() Pricer { return book }, store)
	var records []Record
	for i := range 5 {
		record := example()
		record.RequestID = fmt.Sprint("req-", i)
		if i == 2 {
			record.RequestID = "poison"
		}
		records = append(records, record)
	}
	results, err := recorder.Record(t.Context(), records)
	if !errors.Is(err, errPoison) || store.commits != 4 {
		t.Errorf("%d committed, %v", store.commits, err)
	}
	for i, result := range results {
		if want := map[bool]Status{true: 0, false: Committed}[i == 2]; result.Status != want {
			t.Errorf("record %d: status %d", i, result.Status)
		}
	}
}

func BenchmarkPost(b *testing.B) {
	book, record := shippedPrices(b), example()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Post(book, record); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPostingAllocatesLittle(t *testing.T) {
	const ceiling = 14
	book, record := shippedPrices(t), example()
	got := testing.AllocsPerRun(100, func() { _, _ = Post(book, record) })
	if got > ceiling {
		t.Errorf("%v allocations, more than %d", got, ceiling)
	}
}

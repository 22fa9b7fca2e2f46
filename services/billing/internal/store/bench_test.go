package store

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

var benchPepper = secret.New("a pepper for benchmarks")

func benchRecord(number int64) ledger.Record {
	return ledger.Record{
		RequestID: fmt.Sprintf("0192f0c1-%04x-7%03x-8000-%012x", number>>12, number&0xfff, number), Attempt: 1, // rises, as UUIDv7 does
		Scopes:   budget.Scopes{Organization: "acme", Team: fmt.Sprintf("team-%d", number%5), User: fmt.Sprintf("user-%d", number%20), Key: fmt.Sprintf("key-%d", number%50)},
		Provider: "openai", Model: "gpt-4o-mini", Mode: price.Standard, Target: "east", RequestedModel: "small",
		Tokens: price.Tokens{price.Input: 1000, price.CacheRead: 200, price.Output: 300}, Source: ledger.FromProvider, Outcome: ledger.Succeeded,
		Start: time.Now(), Duration: time.Second, Streamed: true, Last: true, TraceID: "0af7651916cd43dd8448eb211c80319c",
	}
}

// BenchmarkUsage books records in batches, as the usage stream does.
func BenchmarkUsage(b *testing.B) {
	for _, size := range []int{1, 32, 256} {
		for _, durability := range []Durability{Normal, Full} {
			b.Run(fmt.Sprintf("batch=%d/%s", size, durability), func(b *testing.B) {
				s := openSQLiteForTest(b, Options{Durability: durability})
				book, _ := price.NewBook(nil)
				recorder := ledger.NewRecorder(func() ledger.Pricer { return book }, s)
				var number int64
				b.ReportAllocs()
				for b.Loop() {
					records := make([]ledger.Record, size)
					for i := range records {
						number++
						records[i] = benchRecord(number)
					}
					if _, err := recorder.Record(b.Context(), records); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(number)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}

// BenchmarkUsageFromManyCallers lets 64 callers book single records.
func BenchmarkUsageFromManyCallers(b *testing.B) {
	s := openSQLiteForTest(b, Options{})
	book, _ := price.NewBook(nil)
	recorder := ledger.NewRecorder(func() ledger.Pricer { return book }, s)
	var number atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := recorder.Record(b.Context(), []ledger.Record{benchRecord(number.Add(1))}); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(number.Load())/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkHold reserves in two budgets and releases again.
func BenchmarkHold(b *testing.B) {
	s := openSQLiteForTest(b, Options{})
	pepper, _ := account.NewPepper(benchPepper)
	accounts := account.NewService(s, pepper, nil)
	if _, _, _, err := accounts.CreateOrganization(b.Context(), account.System, account.Organization{ID: "acme"}); err != nil {
		b.Fatal(err)
	}
	index := budget.NewIndex(s)
	for _, scope := range []string{"organizations/acme", "keys/key-1"} {
		if _, err := index.Create(b.Context(), budget.Budget{Organization: "acme", Scope: scope, Window: budget.Month, Limit: 1 << 60}, "system"); err != nil {
			b.Fatal(err)
		}
	}
	holds := budget.NewHolds(index, s, budget.Limits{DefaultTTL: time.Hour, MaxTTL: time.Hour})
	for name, key := range map[string]string{"two budgets": "key-1", "no budget": ""} {
		b.Run(name, func(b *testing.B) {
			organization := "acme"
			if key == "" {
				organization = "nobody"
			}
			number := 0
			b.ReportAllocs()
			for b.Loop() {
				number++
				hold, err := holds.Create(b.Context(), budget.Request{
					RequestID: fmt.Sprint(number), Scopes: budget.Scopes{Organization: organization, Key: key}, Amount: 1000,
				})
				if err == nil {
					err = holds.Release(b.Context(), hold.ID)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

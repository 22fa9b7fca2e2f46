package store

import (
	"testing"

	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/price"
	"github.com/tollgate/tollgate/services/internal/platform/pgtest"
)

// BenchmarkPostgresUsage books records in batches of 256.
func BenchmarkPostgresUsage(b *testing.B) {
	server := pgtest.Start(b)
	s, err := Open(b.Context(), server.Database(b), Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	book, _ := price.NewBook(nil)
	recorder := ledger.NewRecorder(func() ledger.Pricer { return book }, s)
	var number int64
	for b.Loop() {
		records := make([]ledger.Record, 256)
		for i := range records {
			number++
			records[i] = benchRecord(number)
		}
		if _, err := recorder.Record(b.Context(), records); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(number)/b.Elapsed().Seconds(), "rows/s")
}

package storetest

import (
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

func usageIsBookedOnce(t *testing.T, w *world) {
	w.found(t)
	w.budget(t, "teams/eng", budget.Total, 1_000_000_000)
	first := w.record("req-1", 1)
	w.book(t, ledger.Committed, first)
	w.book(t, ledger.Duplicate, first, first)
	w.expect(t, w.now, "teams/eng total", recordCost, 0)

	changed := first
	changed.Tokens[price.Output]++
	w.book(t, ledger.Conflict, changed)
	w.book(t, ledger.Committed, w.record("req-1", 2))
	w.expect(t, w.now, "teams/eng total", 2*recordCost, 0)

	foreign := first
	foreign.Scopes.Organization = "other"
	w.book(t, ledger.Conflict, foreign)

	results, err := w.recorder.Record(w.ctx, []ledger.Record{w.record("req-2", 1), w.record("req-2", 1), w.record("req-3", 1)})
	if err != nil || results[0].Status != ledger.Committed || results[1].Status != ledger.Duplicate || results[2].Status != ledger.Committed {
		t.Errorf("twice in one batch: %+v, %v", results, err)
	}
	if results[1].Cost != recordCost {
		t.Errorf("a duplicate costs %s", results[1].Cost)
	}
}

// repetitionsInABatch mixes new records with repetitions and contradictions
// of records of the same batch and of earlier ones.
func repetitionsInABatch(t *testing.T, w *world) {
	w.found(t)
	w.budget(t, "keys/key_1", budget.Total, 1_000_000_000)
	w.book(t, ledger.Committed, w.record(requestName(3), 1), w.record(requestName(7), 1))
	var batch []ledger.Record
	var want []ledger.Status
	for i := range 100 {
		record, status := w.record(requestName(i), 1), ledger.Committed
		switch {
		case i == 3 || i == 7:
			status = ledger.Duplicate
		case i%10 == 5:
			record, status = w.record(requestName(i-1), 1), ledger.Duplicate
		case i%10 == 9:
			record, status = w.record(requestName(i-1), 1), ledger.Conflict
			record.Target = "west"
		}
		batch, want = append(batch, record), append(want, status)
	}
	results, err := w.recorder.Record(w.ctx, batch)
	if err != nil {
		t.Fatal(err)
	}
	committed := 2
	for i, result := range results {
		if result.Status != want[i] {
			t.Errorf("record %d: status %d, want %d", i, result.Status, want[i])
		}
		if result.Status == ledger.Committed {
			committed++
		}
	}
	w.expect(t, w.now, "keys/key_1 total", money.Amount(committed)*recordCost, 0)
}

func badRecordsLeaveOthersAlone(t *testing.T, w *world) {
	nameless := w.record("", 1)
	negative := w.record("req-2", 1)
	negative.Tokens[price.Input] = -1
	strange := w.record("req-3\x00\xff", 1)
	strange.Metadata = map[string]string{"label\x00": "\xff"}
	huge := w.record("req-4", 1)
	huge.Tokens[price.Input] = 1 << 41
	results, err := w.recorder.Record(w.ctx, []ledger.Record{nameless, w.record("req-1", 1), negative, strange, huge, w.record("req-5", 1)})
	if err != nil {
		t.Fatal(err)
	}
	want := []ledger.Status{ledger.Invalid, ledger.Committed, ledger.Invalid, ledger.Committed, ledger.Invalid, ledger.Committed}
	for i, result := range results {
		if result.Status != want[i] {
			t.Errorf("record %d: status %d (%s), want %d", i, result.Status, result.Message, want[i])
		}
		if result.Status == ledger.Invalid && result.Message == "" {
			t.Errorf("record %d: no reason", i)
		}
	}
}

func everyKindOfUsageIsBalanced(t *testing.T, w *world) {
	unknown := w.record("unknown", 1)
	unknown.Model = "gpt-9"
	zero := w.record("zero", 1)
	zero.Tokens = price.Tokens{}
	estimated := w.record("estimated", 1)
	estimated.Source, estimated.Outcome = ledger.Estimated, ledger.Cancelled
	none := w.record("none", 1)
	none.Tokens, none.Source, none.Outcome = price.Tokens{}, ledger.None, ledger.Failed
	free := w.record("free", 1)
	free.Provider, free.Model = "builtin", "echo"
	w.book(t, ledger.Committed, unknown, zero, estimated, none, free)

	rows, err := w.store.Rows(w.ctx, ledger.RowQuery{Organization: "acme", Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	byRequest := map[string]ledger.Row{}
	for _, row := range rows {
		byRequest[row.Record.RequestID] = row
	}
	for name, want := range map[string]struct {
		unpriced, versioned bool
		source              ledger.Source
		cost                int64
	}{
		"unknown":   {unpriced: true, source: ledger.FromProvider},
		"zero":      {source: ledger.FromProvider},
		"estimated": {versioned: true, source: ledger.Estimated, cost: int64(recordCost)},
		"none":      {source: ledger.None},
		"free":      {versioned: true, source: ledger.FromProvider},
	} {
		row := byRequest[name]
		if row.Unpriced != want.unpriced || (row.PriceVersion != "") != want.versioned || row.Record.Source != want.source || int64(row.Cost) != want.cost {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

func rowsComeBack(t *testing.T, w *world) {
	full := w.record("req-0", 3)
	full.Region, full.Mode, full.Metadata = "eu", price.Batch, map[string]string{"project": "x", "": "y"}
	for class := range full.Tokens {
		full.Tokens[class] = int64(class) + 1
	}
	full.Model, full.Start = "gpt-4o-mini", w.now.Add(123*time.Microsecond)
	w.book(t, ledger.Committed, full)
	for i := range 5 {
		w.book(t, ledger.Committed, w.record(requestName(i), 1))
	}
	found, err := w.store.Rows(w.ctx, ledger.RowQuery{Organization: "acme", RequestID: "req-0", Limit: 10})
	if err != nil || len(found) != 1 || !reflect.DeepEqual(found[0].Record, full) {
		t.Errorf("got %+v, %v, want %+v", found, err, full)
	}
	var names []string
	var before int64
	for {
		page, err := w.store.Rows(w.ctx, ledger.RowQuery{Organization: "acme", Before: before, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			names = append(names, row.Record.RequestID)
		}
		before = page[len(page)-1].Sequence
	}
	if got := strings.Join(names, " "); got != "req-000004 req-000003 req-000002 req-000001 req-000000 req-0" {
		t.Errorf("pages hold %s", got)
	}
}

func reports(t *testing.T, w *world) {
	second := w.record("req-1", 2)
	second.Provider, second.Model, second.Target = "anthropic", "claude-haiku-4-5", "claude" // $1 and $5 a million
	yesterday := w.record("req-2", 1)
	yesterday.Start, yesterday.Source = w.now.AddDate(0, 0, -1), ledger.Estimated
	unknown := w.record("req-3", 1)
	unknown.Model, unknown.Scopes.Team = "gpt-9", ""
	foreign := w.record("req-4", 1)
	foreign.Scopes = budget.Scopes{Organization: "other", Team: "eng"}
	late := w.record("req-5", 1)
	late.Start = w.now.AddDate(0, 0, 1)
	w.book(t, ledger.Committed, w.record("req-1", 1), second, yesterday, unknown, foreign, late)

	ask := func(groupBy ...ledger.Dimension) []ledger.Sums {
		t.Helper()
		found, err := w.store.Report(w.ctx, ledger.ReportQuery{
			Organization: "acme", From: w.now.AddDate(0, 0, -2), Until: w.now.AddDate(0, 0, 1), GroupBy: groupBy,
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	total := ask()
	if len(total) != 1 || total[0].Attempts != 4 || total[0].Requests != 3 || total[0].Unpriced != 1 || total[0].Estimated != 1 ||
		total[0].Cost != 2*recordCost+6_000_000 || total[0].Tokens[price.Output] != 4000 {
		t.Errorf("total %+v", total)
	}
	byProvider := ask(ledger.ByProvider)
	if len(byProvider) != 2 || byProvider[0].Group[ledger.ByProvider] != "anthropic" || byProvider[1].Attempts != 3 {
		t.Errorf("by provider %+v", byProvider)
	}
	byDay := ask(ledger.ByDay, ledger.ByTeam)
	days := map[string]int64{}
	for _, sums := range byDay {
		days[sums.Group[ledger.ByDay]+"/"+sums.Group[ledger.ByTeam]] = sums.Attempts
	}
	if want := map[string]int64{"2026-11-18/eng": 2, "2026-11-18/": 1, "2026-11-17/eng": 1}; !reflect.DeepEqual(days, want) {
		t.Errorf("by day and team %v, want %v", days, want)
	}
	for _, dimension := range []ledger.Dimension{ledger.ByUser, ledger.ByKey, ledger.ByModel, ledger.ByTarget} {
		if len(ask(dimension)) == 0 {
			t.Errorf("nothing by %s", dimension)
		}
	}
	empty, err := w.store.Report(w.ctx, ledger.ReportQuery{Organization: "nobody", From: w.now, Until: w.now})
	if err != nil || len(empty) != 1 || empty[0].Attempts != 0 {
		t.Errorf("empty report %+v, %v", empty, err)
	}
}

func sameRecordFromOne(t *testing.T, w *world) { sameRecordFromMany(t, w) }

func sameRecordFromMany(t *testing.T, replicas ...*world) {
	for _, replica := range replicas {
		replica.now = replicas[0].now // the same content
	}
	const writers = 16
	committed := make(chan int, writers)
	var group sync.WaitGroup
	for writer := range writers {
		w := replicas[writer%len(replicas)]
		group.Go(func() {
			count := 0
			for i := range 20 {
				results, err := w.recorder.Record(w.ctx, []ledger.Record{w.record("same-"+requestName(i), 1)})
				if err != nil {
					t.Error(err)
					return
				}
				if results[0].Status == ledger.Committed {
					count++
				}
			}
			committed <- count
		})
	}
	group.Wait()
	close(committed)
	total := 0
	for count := range committed {
		total += count
	}
	if total != 20 {
		t.Errorf("%d records were committed, want 20", total)
	}
}

func pricesAreKept(t *testing.T, w *world) {
	book, _ := price.NewBook(nil)
	for range 2 { // the second time changes nothing
		if err := w.store.KeepPrices(w.ctx, book.Prices()); err != nil {
			t.Fatal(err)
		}
	}
}

package storetest

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/billing/internal/money"
)

// payer is who pays in these tests.
var payer = budget.Scopes{Organization: "acme", Team: "eng", User: "ada", Key: "key_1"}

func (w *world) hold(t *testing.T, request string, amount money.Amount) budget.Hold {
	t.Helper()
	hold, err := w.holds.Create(w.ctx, budget.Request{RequestID: request, Scopes: payer, Amount: amount})
	if err != nil {
		t.Fatal(err)
	}
	return hold
}

func (w *world) release(t *testing.T, id string) {
	t.Helper()
	if err := w.holds.Release(w.ctx, id); err != nil {
		t.Fatal(err)
	}
}

func holds(t *testing.T, w *world) {
	w.found(t)
	if hold := w.hold(t, "req-0", 5); hold.ID != "" {
		t.Errorf("a hold without budgets has id %s", hold.ID)
	}
	w.budget(t, "organizations/acme", budget.Month, 1000)
	w.budget(t, "keys/key_1", budget.Total, 300)
	now := time.Now()

	first := w.hold(t, "req-1", 200)
	if again := w.hold(t, "req-1", 200); again.ID != first.ID || again.Amount != 200 {
		t.Errorf("asked again: %+v, first %+v", again, first)
	}
	w.expect(t, now, "keys/key_1 total", 0, 200)
	w.expect(t, now, "organizations/acme month", 0, 200)

	_, err := w.holds.Create(w.ctx, budget.Request{RequestID: "req-2", Scopes: payer, Amount: 101})
	exceeded, ok := isExceeded(err)
	if !ok || *exceeded != (budget.Exceeded{Scope: "keys/key_1", Window: budget.Total, Limit: 300, Remaining: 100, Asked: 101}) {
		t.Errorf("over the limit: %v", err)
	}
	w.expect(t, now, "organizations/acme month", 0, 200) // the refused hold took nothing anywhere

	second := w.hold(t, "req-3", 100)
	w.release(t, first.ID)
	w.release(t, first.ID)
	w.release(t, "hld_unknown")
	w.release(t, "")
	w.expect(t, now, "keys/key_1 total", 0, 100)
	w.release(t, second.ID)
	w.expect(t, now, "organizations/acme month", 0, 0)

	w.budget(t, "users/ada", budget.Day, 0)
	if _, err := w.holds.Create(w.ctx, budget.Request{Scopes: payer, Amount: 1}); err == nil {
		t.Error("a budget of nothing allows something")
	}
	if hold := w.hold(t, "free", 0); hold.ID != "" {
		t.Errorf("nothing had to be reserved, but there is %s", hold.ID)
	}
	if _, err := w.holds.Create(w.ctx, budget.Request{Scopes: payer, Amount: -1}); !errors.Is(err, budget.ErrInvalid) {
		t.Errorf("negative amount: %v", err)
	}
}

func settlementDrawsOnHolds(t *testing.T, w *world) {
	w.found(t)
	w.now = time.Now().UTC()
	w.budget(t, "keys/key_1", budget.Total, 10*recordCost)
	hold := w.hold(t, "req-1", 4*recordCost)
	failed := w.record("req-1", 1)
	failed.Hold, failed.Last = hold.ID, false
	w.book(t, ledger.Committed, failed)
	w.expect(t, w.now, "keys/key_1 total", recordCost, 3*recordCost) // a failed attempt draws, the rest stays
	last := w.record("req-1", 2)
	last.Hold = hold.ID
	w.book(t, ledger.Committed, last)
	w.expect(t, w.now, "keys/key_1 total", 2*recordCost, 0)
	w.book(t, ledger.Duplicate, last)
	w.expect(t, w.now, "keys/key_1 total", 2*recordCost, 0)

	small := w.hold(t, "req-2", 1)
	dear := w.record("req-2", 1)
	dear.Hold = small.ID
	w.book(t, ledger.Committed, dear) // dearer than the hold: booked in full
	w.expect(t, w.now, "keys/key_1 total", 3*recordCost, 0)

	kept := w.hold(t, "req-3", recordCost)
	foreign := w.record("req-3", 1)
	foreign.Scopes.Organization, foreign.Hold = "other", kept.ID
	w.book(t, ledger.Committed, foreign)
	w.expect(t, w.now, "keys/key_1 total", 3*recordCost, recordCost) // another organisation cannot end it

	released := w.record("req-4", 1)
	released.Hold = small.ID
	w.book(t, ledger.Committed, released) // a hold that is gone
	w.expect(t, w.now, "keys/key_1 total", 4*recordCost, recordCost)
}

func leases(t *testing.T, w *world) {
	w.found(t)
	w.now = time.Now().UTC()
	w.budget(t, "keys/key_1", budget.Day, 10*recordCost)
	lease, err := w.holds.Create(w.ctx, budget.Request{Scopes: payer, Amount: 5 * recordCost, Lease: true})
	if err != nil || lease.ID == "" {
		t.Fatalf("lease %+v, %v", lease, err)
	}
	var records []ledger.Record
	for i := range 3 {
		record := w.record(requestName(i), 1)
		record.Hold = lease.ID
		records = append(records, record)
	}
	w.book(t, ledger.Committed, records...)
	w.expect(t, w.now, "keys/key_1 day", 3*recordCost, 2*recordCost)
	w.release(t, lease.ID)
	w.expect(t, w.now, "keys/key_1 day", 3*recordCost, 0)
	if _, err := w.holds.Create(w.ctx, budget.Request{RequestID: "r", Scopes: payer, Amount: 1, Lease: true}); !errors.Is(err, budget.ErrInvalid) {
		t.Errorf("a lease of one request: %v", err)
	}
}

func holdsExpire(t *testing.T, w *world) {
	w.found(t)
	w.budget(t, "keys/key_1", budget.Total, 1000)
	for i := range 3 {
		if _, err := w.holds.Create(w.ctx, budget.Request{RequestID: requestName(i), Scopes: payer, Amount: 100, TTL: time.Microsecond}); err != nil {
			t.Fatal(err)
		}
	}
	w.hold(t, "lives", 50)
	time.Sleep(time.Millisecond)
	if expired, err := w.holds.ExpireNow(w.ctx); err != nil || expired != 3 {
		t.Errorf("expired %d, %v", expired, err)
	}
	w.expect(t, time.Now(), "keys/key_1 total", 0, 50)
}

func windowsFollowTheUsage(t *testing.T, w *world) {
	w.found(t)
	w.now = time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC) // a Tuesday
	for _, window := range budget.Windows {
		w.budget(t, "organizations/acme", window, 100*recordCost)
	}
	w.budget(t, "teams/eng", budget.Month, 100*recordCost)
	before := w.record("req-1", 1)
	before.Start = w.now.Add(-time.Microsecond)
	w.book(t, ledger.Committed, w.record("req-2", 1), before)
	for name, want := range map[string]money.Amount{"day": 1, "week": 2, "month": 1, "total": 2} {
		w.expect(t, w.now, "organizations/acme "+name, want*recordCost, 0)
	}
	w.expect(t, before.Start, "organizations/acme day", recordCost, 0)
	w.expect(t, before.Start, "teams/eng month", recordCost, 0)
	w.expect(t, w.now.AddDate(0, 0, 7), "organizations/acme week", 0, 0)
}

// holdsNeverOvershoot lets many goroutines hold, settle and release random
// amounts, none of which costs more than was held, and looks all the while
// that settled + held stays within every limit.
func holdsNeverOvershoot(t *testing.T, w *world) {
	w.found(t)
	neverOvershoot(t, w)
}

// neverOvershoot spreads the work over the replicas; budgets are made in the first.
func neverOvershoot(t *testing.T, replicas ...*world) {
	w := replicas[0]
	for _, replica := range replicas {
		replica.now = time.Now().UTC()
	}
	limits := map[string]money.Amount{"organizations/acme month": 60 * recordCost, "teams/eng day": 45 * recordCost, "keys/key_1 total": 30 * recordCost}
	w.budget(t, "organizations/acme", budget.Month, limits["organizations/acme month"])
	w.budget(t, "teams/eng", budget.Day, limits["teams/eng day"])
	w.budget(t, "keys/key_1", budget.Total, limits["keys/key_1 total"])
	for _, replica := range replicas {
		if err := replica.index.Load(replica.ctx); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() {
		for {
			for name, state := range w.state(t, w.now) {
				if state[0]+state[1] > limits[name] || state[1] < 0 {
					t.Errorf("%s: settled %s and held %s of %s", name, state[0], state[1], limits[name])
				}
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	})
	var settled, refused atomic.Int64
	var workers sync.WaitGroup
	for worker := range 12 {
		workers.Go(func() {
			w := replicas[worker%len(replicas)]
			random := rand.New(rand.NewPCG(uint64(worker), 7))
			for i := range 15 {
				w.useOnce(t, random, worker*1000+i, &settled, &refused)
			}
		})
	}
	workers.Wait()
	close(stop)
	watcher.Wait()
	if settled.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d settled and %d refused: the limits were never met", settled.Load(), refused.Load())
	}
	if spent := w.state(t, w.now)["organizations/acme month"]; spent[0] != money.Amount(settled.Load())*recordCost || spent[1] != 0 {
		t.Errorf("in the end %v, want %d settlements and nothing held", spent, settled.Load())
	}
}

func (w *world) useOnce(t *testing.T, random *rand.Rand, number int, settled, refused *atomic.Int64) {
	scopes := budget.Scopes{Organization: "acme"}
	if random.IntN(3) > 0 {
		scopes.Team = "eng"
	}
	if random.IntN(3) > 0 {
		scopes.Key = "key_1"
	}
	hold, err := w.holds.Create(w.ctx, budget.Request{
		RequestID: requestName(number), Scopes: scopes, Amount: recordCost + money.Amount(random.Int64N(int64(recordCost)*2)),
	})
	if _, ok := isExceeded(err); ok {
		refused.Add(1)
		return
	}
	if err != nil {
		t.Error(err)
		return
	}
	if random.IntN(4) == 0 {
		if err := w.holds.Release(w.ctx, hold.ID); err != nil {
			t.Error(err)
		}
		return
	}
	record := w.record(requestName(number), 1)
	record.Scopes, record.Hold = scopes, hold.ID
	if results, err := w.recorder.Record(w.ctx, []ledger.Record{record}); err != nil || results[0].Status != ledger.Committed {
		t.Errorf("settle: %v, %v", results, err)
		return
	}
	settled.Add(1)
}

func budgets(t *testing.T, w *world) {
	w.found(t)
	made := w.budget(t, "teams/eng", budget.Month, 100)
	if _, err := w.index.Create(w.ctx, budget.Budget{Organization: "acme", Scope: "teams/eng", Window: budget.Month, Limit: 5}, "keys/a"); !errors.Is(err, budget.ErrExists) {
		t.Errorf("the same scope and window again: %v", err)
	}
	if _, err := w.index.Create(w.ctx, budget.Budget{Organization: "acme", Scope: "organizations/other", Window: budget.Month, Limit: 5}, "keys/a"); !errors.Is(err, budget.ErrInvalid) {
		t.Errorf("another organisation's scope: %v", err)
	}
	w.budget(t, "teams/eng", budget.Day, 50)
	w.budget(t, "keys/key_1", budget.Day, 50)
	made.Limit, made.Alerts = 200, []int32{80, 100}
	updated, err := w.index.Update(w.ctx, made, "keys/a")
	if err != nil || updated.Limit != 200 || updated.Scope != "teams/eng" || len(updated.Alerts) != 2 {
		t.Errorf("updated %+v, %v", updated, err)
	}
	var scopes []string
	after := ""
	for {
		page, err := w.index.List(w.ctx, "acme", after, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, b := range page {
			scopes = append(scopes, b.Scope)
		}
		after = page[len(page)-1].Cursor()
	}
	if len(scopes) != 3 || scopes[0] != "keys/key_1" {
		t.Errorf("listed %v", scopes)
	}
	foreign := made
	foreign.Organization = "other"
	if _, err := w.index.Update(w.ctx, foreign, "keys/b"); !errors.Is(err, budget.ErrNotFound) {
		t.Errorf("another organisation updates it: %v", err)
	}
	if err := w.index.Delete(w.ctx, "other", made.ID, "keys/b"); !errors.Is(err, budget.ErrNotFound) {
		t.Errorf("another organisation deletes it: %v", err)
	}
	if err := w.index.Delete(w.ctx, "acme", made.ID, "keys/a"); err != nil {
		t.Fatal(err)
	}
	if left := w.index.For(budget.Scopes{Organization: "acme", Team: "eng"}); len(left) != 1 || left[0].Window != budget.Day {
		t.Errorf("left %+v", left)
	}
	if found := w.index.For(budget.Scopes{Organization: "other", Team: "eng"}); len(found) != 0 {
		t.Errorf("a team of the same name elsewhere has %+v", found)
	}
}

func budgetsBeginWithTheLedger(t *testing.T, w *world) {
	w.found(t)
	w.now = time.Now().UTC()
	w.book(t, ledger.Committed, w.record("req-1", 1))
	old := w.record("req-2", 1)
	old.Start = w.now.AddDate(0, -2, 0)
	foreign := w.record("req-3", 1)
	foreign.Scopes.Organization = "other"
	w.book(t, ledger.Committed, old, foreign)
	month := w.budget(t, "teams/eng", budget.Month, 10*recordCost)
	w.budget(t, "teams/eng", budget.Total, 10*recordCost)
	w.expect(t, w.now, "teams/eng month", recordCost, 0)
	w.expect(t, w.now, "teams/eng total", 2*recordCost, 0)

	hold := w.hold(t, "req-4", 2*recordCost)
	if err := w.index.Delete(w.ctx, "acme", month.ID, "keys/a"); err != nil {
		t.Fatal(err)
	}
	w.book(t, ledger.Committed, w.record("req-5", 1)) // while there is no budget for the month
	w.budget(t, "teams/eng", budget.Month, 10*recordCost)
	w.expect(t, w.now, "teams/eng month", 2*recordCost, 2*recordCost)
	w.release(t, hold.ID)
	w.expect(t, w.now, "teams/eng month", 2*recordCost, 0)
}

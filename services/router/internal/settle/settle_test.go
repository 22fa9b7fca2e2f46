package settle

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// pages is a journal in memory.
type pages struct {
	mu     sync.Mutex
	full   error
	begun  []*billingv1.UsageRecord
	ended  []*billingv1.UsageRecord
	endErr error
}

func (p *pages) Begin(r *billingv1.UsageRecord) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full == nil {
		p.begun = append(p.begun, proto.Clone(r).(*billingv1.UsageRecord))
	}
	return p.full
}

func (p *pages) End(r *billingv1.UsageRecord) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = append(p.ended, proto.Clone(r).(*billingv1.UsageRecord))
	return p.endErr
}

func attemptOf(number int, role string) *attempt.Attempt {
	return &attempt.Attempt{
		Number: number, Role: role, StartTime: time.Now(), EndTime: time.Now(), Reported: &llmv1.Usage{InputTokens: 2, OutputTokens: 3},
		Candidate: route.Candidate{Deployment: &route.Deployment{Model: "m", Target: &target.Target{Target: provider.Target{Name: "t"}}}},
		Answer:    &provider.Answer{Completion: &llmv1.Completion{}},
	}
}

func ledgerOf(p *pages) *Ledger {
	return NewLedger(Request{ID: "r", Hold: "holds/1"}, p, slog.New(slog.DiscardHandler))
}

var (
	won  = attempt.End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED, Last: true}
	lost = attempt.End{Outcome: billingv1.Outcome_OUTCOME_CANCELLED, Err: errs.New(llmv1.ErrorReason_ERROR_REASON_CANCELLED, "")}
)

// Of two attempts side by side the record that is written last releases the
// hold, whichever it is, and whatever the process dies of before.
func TestSideBySide(t *testing.T) {
	ctx := context.Background()
	for name, order := range map[string][2]int{"the winner ends first": {0, 1}, "the loser ends first": {1, 0}} {
		p := &pages{}
		l := ledgerOf(p)
		both := []*attempt.Attempt{attemptOf(1, ""), attemptOf(2, attempt.RoleHedge)}
		ends := []attempt.End{won, lost}
		for _, a := range both {
			if err := l.Begin(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range p.begun {
			if !r.Last || r.Outcome != billingv1.Outcome_OUTCOME_CRASHED || r.Hold != "holds/1" {
				t.Errorf("%s: a process that dies would leave %v", name, r)
			}
		}
		l.End(ctx, both[order[0]], ends[order[0]])
		if l.Released() != (order[0] == 0) {
			t.Errorf("%s: released %v", name, l.Released())
		}
		l.End(ctx, both[order[1]], ends[order[1]])
		l.End(ctx, both[order[1]], ends[order[1]]) // counts for nothing
		if len(p.ended) != 2 || p.ended[0].Last || !p.ended[1].Last || !l.Released() {
			t.Errorf("%s: %v", name, p.ended)
		}
		if l.Attempts() != 2 || l.Used() != 10 || len(l.Spent()) != 2 {
			t.Errorf("%s: %d attempts, %d used", name, l.Attempts(), l.Used())
		}
		for _, r := range p.ended {
			if want := map[int32]string{1: "", 2: "hedge"}[r.Attempt]; r.Metadata[labelRole] != want {
				t.Errorf("%s: attempt %d is labelled %v", name, r.Attempt, r.Metadata)
			}
		}
	}
}

func TestOneLastAmongMany(t *testing.T) {
	p := &pages{endErr: errors.New("disk")}
	l := ledgerOf(p)
	var wait sync.WaitGroup
	for i := range 50 {
		a := attemptOf(i+1, "")
		if err := l.Begin(context.Background(), a); err != nil {
			t.Fatal(err)
		}
		wait.Go(func() { l.End(context.Background(), a, won) })
	}
	wait.Wait()
	last := 0
	for _, r := range p.ended {
		if r.Last {
			last++
		}
	}
	if len(p.ended) != 50 || last != 1 {
		t.Errorf("%d records, %d of them last", len(p.ended), last)
	}
}

// A request that ends without another attempt, though one was announced, leaves
// the hold to its caller.
func TestNothingReleases(t *testing.T) {
	p := &pages{}
	l := ledgerOf(p)
	a := attemptOf(1, "")
	_ = l.Begin(context.Background(), a)
	l.End(context.Background(), a, lost)
	p.full = errors.New("full")
	if err := l.Begin(context.Background(), attemptOf(2, "")); err == nil {
		t.Error("an attempt begins without a record")
	}
	if l.Released() || l.Attempts() != 1 || p.ended[0].Last {
		t.Errorf("released %v after %v", l.Released(), p.ended)
	}
}

// What was never sent costs nothing; what took too long may.
func TestWhatWasNeverSentIsFree(t *testing.T) {
	late := errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, "")
	for want, err := range map[llmv1.UsageSource]error{
		llmv1.UsageSource_USAGE_SOURCE_ESTIMATED: late,
		llmv1.UsageSource_USAGE_SOURCE_NONE:      late.WithCause(provider.ErrUnreached),
	} {
		a := &attempt.Attempt{Candidate: route.Candidate{Deployment: &route.Deployment{Model: "gpt-4o"}}, Asked: &provider.Request{Conversation: conversation(sentence)}}
		u, _ := usageOf(a, attempt.End{Outcome: billingv1.Outcome_OUTCOME_FAILED, Err: err})
		if u.GetSource() != want {
			t.Errorf("%v: %v", err, u)
		}
	}
}

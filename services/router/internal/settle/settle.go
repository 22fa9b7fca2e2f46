// Package settle turns attempts into usage records: one for each, whatever ended it.
package settle

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Journal keeps records until billing has them.
type Journal interface {
	// Begin keeps the record that holds if the process dies before End.
	Begin(*billingv1.UsageRecord) error
	// End keeps the final record.
	End(*billingv1.UsageRecord) error
}

// Request is what the records of one request have in common.
type Request struct {
	ID       string
	Scopes   *billingv1.Scopes
	Model    string // as the client named it
	Metadata map[string]string
	Hold     string
	Estimate tokens.Estimate
}

// Ledger writes the records of one request. It implements attempt.Ledger and is
// safe for concurrent use: attempts may run side by side.
type Ledger struct {
	Request
	journal Journal
	log     *slog.Logger

	mu    sync.Mutex
	open  []entry // begun and not ended
	spent []Spent
	used  int64
	count int
	// over is set once no attempt follows, and last once a record says so.
	over, last bool
}

// entry is the record of an attempt under way.
type entry struct {
	attempt *attempt.Attempt
	record  *billingv1.UsageRecord
}

// Spent is what one attempt used.
type Spent struct {
	Model *billingv1.PricedModel
	Usage *llmv1.Usage
}

// NewLedger makes the ledger of a request.
func NewLedger(r Request, j Journal, log *slog.Logger) *Ledger {
	return &Ledger{Request: r, journal: j, log: log}
}

// Spent lists what ended attempts used, those that used nothing left out.
func (l *Ledger) Spent() []Spent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clip(l.spent)
}

// Used is the number of tokens that all ended attempts used.
func (l *Ledger) Used() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used
}

// Attempts is how many attempts were begun.
func (l *Ledger) Attempts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Released says whether a record releases the hold: one that is written, or
// that of an attempt which is about to end behind the others.
func (l *Ledger) Released() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last || l.over && len(l.open) > 0
}

// Begin writes the intent: if nothing more is heard of the attempt, the input
// counts as read, nobody knows what was written, and the request has ended. So
// it is for each of those that run side by side: they die together.
func (l *Ledger) Begin(ctx context.Context, a *attempt.Attempt) error {
	record := l.intent(ctx, a)
	if err := l.journal.Begin(record); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, entry{a, record})
	l.count++
	return nil
}

func (l *Ledger) intent(ctx context.Context, a *attempt.Attempt) *billingv1.UsageRecord {
	record := &billingv1.UsageRecord{
		RequestId:      l.ID,
		Attempt:        int32(a.Number),
		Scopes:         l.Scopes,
		PricedModel:    Priced(&a.Candidate),
		Target:         a.Candidate.Target.Name,
		RequestedModel: l.Model,
		Usage:          &llmv1.Usage{InputTokens: l.Estimate.Input, Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED},
		Outcome:        billingv1.Outcome_OUTCOME_CRASHED,
		StartTime:      timestamppb.New(a.StartTime),
		Streamed:       a.Streamed,
		Hold:           l.Hold,
		Last:           true,
		Metadata:       labelled(l.Metadata, tokens.ByteClasses, a.Role),
	}
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		record.TraceId = sc.TraceID().String()
	}
	return record
}

// End writes the final record. If the disk fails now, the intent stands: it is
// an estimate, and it is sent once the spool is opened again.
func (l *Ledger) End(ctx context.Context, a *attempt.Attempt, end attempt.End) {
	usage, tokenizer := usageOf(a, end)
	a.SetUsage(usage)
	l.mu.Lock()
	defer l.mu.Unlock() // until it is written: the record that releases the hold comes behind the others
	i := slices.IndexFunc(l.open, func(e entry) bool { return e.attempt == a })
	if i < 0 {
		return
	}
	r := l.open[i].record
	l.open = slices.Delete(l.open, i, i+1)
	r.Usage, r.Metadata = usage, labelled(l.Metadata, tokenizer, a.Role)
	r.Outcome, r.Last = end.Outcome, l.closes(end)
	r.Duration = durationpb.New(a.EndTime.Sub(a.StartTime))
	if !a.FirstContent.IsZero() {
		r.TimeToFirstToken = durationpb.New(a.FirstContent.Sub(a.StartTime))
	}
	if n := tokens.Total(usage); n > 0 {
		l.used += n
		l.spent = append(l.spent, Spent{r.PricedModel, usage})
	}
	if err := l.journal.End(r); err != nil {
		l.log.ErrorContext(ctx, "write usage record", slog.String("request_id", l.ID), slog.Int("attempt", a.Number), slog.Any("error", err))
	}
}

// closes says whether a record is the request's last: nobody follows it, and
// nobody runs beside it who will end later.
func (l *Ledger) closes(end attempt.End) bool {
	l.over = l.over || end.Last
	if !l.over || l.last || len(l.open) > 0 {
		return false
	}
	l.last = true
	return true
}

// labelTokenizer is the label that says what counted an estimated usage.
const labelTokenizer = "tollgate.tokenizer"

// labelRole is the label that says what an attempt was besides a plain one.
const labelRole = "tollgate.role"

// estimatedOnly are the labels of a record whose caller has none of its own.
var estimatedOnly = map[string]string{labelTokenizer: tokens.ByteClasses}

// labelled adds what counted the usage, and what the attempt was for, to the
// caller's labels, which stay as they are; an empty name adds nothing.
func labelled(own map[string]string, tokenizer, role string) map[string]string {
	switch {
	case tokenizer == "" && role == "":
		return own
	case len(own) == 0 && tokenizer == tokens.ByteClasses && role == "":
		return estimatedOnly
	}
	labels := make(map[string]string, len(own)+2)
	maps.Copy(labels, own)
	if tokenizer != "" {
		labels[labelTokenizer] = tokenizer
	}
	if role != "" {
		labels[labelRole] = role
	}
	return labels
}

// Scopes says who pays.
func Scopes(p *auth.Principal) *billingv1.Scopes {
	return &billingv1.Scopes{
		Organization: name("organizations/", p.Organization),
		Team:         name("teams/", p.Team),
		User:         name("users/", p.User),
		Key:          name("keys/", p.Key),
	}
}

func name(prefix, id string) string {
	if id == "" {
		return ""
	}
	return prefix + id
}

// Priced names what a candidate is priced as.
func Priced(c *route.Candidate) *billingv1.PricedModel {
	return &billingv1.PricedModel{
		Provider: c.Target.Provider, Model: c.Model, Region: c.Target.Region,
		Mode: billingv1.Mode_MODE_STANDARD,
	}
}

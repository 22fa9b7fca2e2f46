// Package settle turns attempts into usage records: one for each, whatever ended it.
package settle

import (
	"context"
	"log/slog"
	"maps"

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

// Ledger writes the records of one request. It implements attempt.Ledger and
// belongs to one goroutine.
type Ledger struct {
	Request
	journal Journal
	log     *slog.Logger
	current *billingv1.UsageRecord
	spent   []Spent
	used    int64
	count   int
	last    bool
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

// Spent lists what attempts used, those that used nothing left out.
func (l *Ledger) Spent() []Spent { return l.spent }

// Used is the number of tokens that all attempts used.
func (l *Ledger) Used() int64 { return l.used }

// Attempts is how many attempts were begun.
func (l *Ledger) Attempts() int { return l.count }

// Released says whether a record was written that releases the hold.
func (l *Ledger) Released() bool { return l.last }

// Begin writes the intent: if nothing more is heard of the attempt, the input
// counts as read, nobody knows what was written, and the request has ended.
func (l *Ledger) Begin(ctx context.Context, a *attempt.Attempt) error {
	t := a.Candidate.Target
	l.current = &billingv1.UsageRecord{
		RequestId:      l.ID,
		Attempt:        int32(a.Number),
		Scopes:         l.Scopes,
		PricedModel:    Priced(&a.Candidate),
		Target:         t.Name,
		RequestedModel: l.Model,
		Usage:          &llmv1.Usage{InputTokens: l.Estimate.Input, Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED},
		Outcome:        billingv1.Outcome_OUTCOME_CRASHED,
		StartTime:      timestamppb.New(a.StartTime),
		Streamed:       a.Streamed,
		Hold:           l.Hold,
		Last:           true,
		Metadata:       labelled(l.Metadata, tokens.ByteClasses),
	}
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		l.current.TraceId = sc.TraceID().String()
	}
	if err := l.journal.Begin(l.current); err != nil {
		return err
	}
	l.count++
	return nil
}

// End writes the final record. If the disk fails now, the intent stands: it is
// an estimate, and it is sent once the spool is opened again.
func (l *Ledger) End(ctx context.Context, a *attempt.Attempt, end attempt.End) {
	r := l.current
	usage, tokenizer := usageOf(a, end)
	r.Usage, r.Metadata = usage, labelled(l.Metadata, tokenizer)
	r.Outcome, r.Last = end.Outcome, end.Last
	r.Duration = durationpb.New(a.EndTime.Sub(a.StartTime))
	if !a.FirstContent.IsZero() {
		r.TimeToFirstToken = durationpb.New(a.FirstContent.Sub(a.StartTime))
	}
	a.SetUsage(r.Usage)
	if n := tokens.Total(r.Usage); n > 0 {
		l.used += n
		l.spent = append(l.spent, Spent{r.PricedModel, r.Usage})
	}
	l.last = l.last || end.Last
	if err := l.journal.End(r); err != nil {
		l.log.ErrorContext(ctx, "write usage record", slog.String("request_id", l.ID), slog.Int("attempt", a.Number), slog.Any("error", err))
	}
}

// labelTokenizer is the label that says what counted an estimated usage.
const labelTokenizer = "tollgate.tokenizer"

// estimatedOnly are the labels of a record whose caller has none of its own.
var estimatedOnly = map[string]string{labelTokenizer: tokens.ByteClasses}

// labelled adds what counted the usage to the caller's labels, which stay as
// they are; an empty name adds nothing.
func labelled(own map[string]string, tokenizer string) map[string]string {
	switch {
	case tokenizer == "":
		return own
	case len(own) == 0 && tokenizer == tokens.ByteClasses:
		return estimatedOnly
	}
	labels := make(map[string]string, len(own)+1)
	maps.Copy(labels, own)
	labels[labelTokenizer] = tokenizer
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

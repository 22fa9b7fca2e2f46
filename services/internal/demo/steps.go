package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tollgate/tollgate/docs"
	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
)

// show plays the steps, one after the other, and remembers what later steps need.
type show struct {
	screen *screen
	client *client
	spans  *spans
	first  *outcome
}

// outcome is an answered request with what the ledger and the trace say of it.
type outcome struct {
	answer  *answer
	rows    []*billingv1.UsageRow
	traceID trace.TraceID
}

func (s *show) ingest(ctx context.Context) error {
	s.screen.title(1, "Ingest Tollgate's own documentation")
	pages, err := fs.Glob(docs.Files, "*.md")
	if err != nil {
		return fmt.Errorf("list pages: %w", err)
	}
	var body bytes.Buffer
	for _, page := range pages {
		content, err := docs.Files.ReadFile(page)
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		for _, step := range []*ragv1.IngestRequest{
			{Step: &ragv1.IngestRequest_Header_{Header: &ragv1.IngestRequest_Header{
				Name: "collections/" + collection + "/documents/" + page, Uri: "docs/" + page,
			}}},
			{Step: &ragv1.IngestRequest_Content{Content: content}},
		} {
			line, err := protojson.Marshal(step)
			if err != nil {
				return fmt.Errorf("write request: %w", err)
			}
			body.Write(append(line, '\n'))
		}
	}
	begin := time.Now()
	var ingested ragv1.IngestResponse
	if err := s.client.rest(ctx, http.MethodPost, "/api/v1/documents:ingest", &body, &ingested); err != nil {
		return err
	}
	var chunks int32
	held := len(ingested.GetResults()) == len(pages)
	for _, r := range ingested.GetResults() {
		chunks += r.GetDocument().GetChunkCount()
		held = held && r.GetOutcome() == ragv1.IngestResponse_Result_OUTCOME_CREATED
	}
	s.screen.check(held, "%d pages, %d chunks, in %s", len(pages), chunks, short(time.Since(begin)))
	return nil
}

func (s *show) ask(ctx context.Context) error {
	s.screen.title(2, "Ask over the OpenAI API: POST /v1/chat/completions, stream: true")
	s.screen.field("question", "%s", question)
	got, err := s.request(ctx, modelHandbook)
	if err != nil {
		return err
	}
	s.first = got
	notices := got.told("x-tollgate-guardrail")
	s.screen.field("masked", "%s", notices)
	s.screen.field("target", "%s, %s attempt(s), guardrails in and out", got.told("x-tollgate-target"), got.told("x-tollgate-attempts"))
	s.ledger(ctx, got)
	s.screen.check(strings.Contains(got.answer.text, "[1]"), "the answer cites its sources")
	s.screen.check(strings.Contains(notices, "email"), "the e-mail address was masked before the target saw it")
	s.screen.check(!strings.Contains(got.answer.text, email), "the answer does not hold it")
	s.screen.check(len(got.rows) == 1, "the ledger has exactly one row for the attempt")
	return nil
}

func (s *show) trace(context.Context) error {
	s.screen.title(3, "The same request as one trace, across all four services")
	all := s.spans.of(s.first.traceID)
	s.screen.printTrace(all)
	names := map[string]bool{}
	for _, span := range all {
		names[span.Name()] = true
	}
	for _, stage := range []string{"router.guard_input", "router.enrich", "router.route", "router.attempt", "router.guard_output", "router.settle"} {
		s.screen.check(names[stage], "the trace holds %s", stage)
	}
	return nil
}

func (s *show) blocked(ctx context.Context) error {
	s.screen.title(4, "Try to override the instructions")
	s.screen.field("prompt", "%s", injection)
	_, err := s.client.chat(ctx, modelHandbook, injection, func(string) {})
	var refused *refusal
	if !errors.As(err, &refused) {
		s.screen.check(false, "the prompt was blocked (got: %v)", err)
		return nil
	}
	s.screen.field("answer", "HTTP %d, %s: %s", refused.status, refused.Code, refused.Message)
	s.screen.check(refused.status == http.StatusBadRequest, "no target saw the prompt")
	return nil
}

func (s *show) failover(ctx context.Context) error {
	s.screen.title(5, "Ask again, while the first target of the route is down")
	got, err := s.request(ctx, modelFailover)
	if err != nil {
		return err
	}
	s.ledger(ctx, got)
	failed := 0
	for _, row := range got.rows {
		if row.GetRecord().GetOutcome() == billingv1.Outcome_OUTCOME_FAILED && row.GetRecord().GetTarget() == "down" {
			failed++
		}
	}
	s.screen.check(failed > 0, "%d attempt(s) on the dead target, each with its ledger row and no cost", failed)
	s.screen.check(got.told("x-tollgate-target") == "builtin", "the next target answered, and the client saw nothing of it")
	return nil
}

// request asks the question, prints the answer as it streams, and collects
// what the ledger has of it.
func (s *show) request(ctx context.Context, model string) (*outcome, error) {
	traced, id := withTrace(ctx)
	s.screen.printf("\n   ")
	a, err := s.client.chat(traced, model, question, func(piece string) {
		s.screen.printf("%s", strings.ReplaceAll(piece, "\n", "\n   "))
		time.Sleep(typing)
	})
	s.screen.printf("\n\n")
	if err != nil {
		return nil, err
	}
	rows, err := s.rows(ctx, a.header.Get("x-tollgate-request-id"))
	if err != nil {
		return nil, err
	}
	return &outcome{answer: a, rows: rows, traceID: id}, nil
}

// rows waits until the request's last attempt is in the ledger: the router
// ships usage in the background.
func (s *show) rows(ctx context.Context, requestID string) ([]*billingv1.UsageRow, error) {
	var list billingv1.ListUsageResponse
	for range 200 {
		list.Reset()
		if err := s.client.rest(ctx, http.MethodGet, "/api/v1/usage?requestId="+requestID, nil, &list); err != nil {
			return nil, err
		}
		for _, row := range list.GetRows() {
			if row.GetRecord().GetLast() {
				return list.GetRows(), nil
			}
		}
		time.Sleep(10 * time.Millisecond)
	}
	return list.GetRows(), nil
}

// ledger prints each row of the request, the first attempt first, with what
// the same tokens would cost elsewhere.
func (s *show) ledger(ctx context.Context, got *outcome) {
	for i := len(got.rows) - 1; i >= 0; i-- {
		row := got.rows[i]
		r := row.GetRecord()
		u := r.GetUsage()
		s.screen.field("ledger", "attempt %d on %s: %s, %d tokens in, %d out, $%d.%09d", r.GetAttempt(), r.GetTarget(),
			strings.ToLower(strings.TrimPrefix(r.GetOutcome().String(), "OUTCOME_")),
			u.GetInputTokens(), u.GetOutputTokens(), row.GetCostNanousd()/1e9, row.GetCostNanousd()%1e9)
	}
	if len(got.rows) > 0 {
		s.compare(ctx, got.rows[0].GetRecord().GetUsage())
	}
}

// compare prices the tokens on a well-known model: the builtin target is free.
func (s *show) compare(ctx context.Context, used *llmv1.Usage) {
	req := &billingv1.PriceUsageRequest{PricedModel: &billingv1.PricedModel{Provider: "openai", Model: "gpt-4o-mini"}, Usage: used}
	body, err := protojson.Marshal(req)
	if err != nil {
		return
	}
	var priced billingv1.PriceUsageResponse
	if err := s.client.rest(ctx, http.MethodPost, "/api/v1/usage:price", bytes.NewReader(body), &priced); err != nil || priced.GetUnpriced() {
		return
	}
	s.screen.field("elsewhere", "the same tokens on gpt-4o-mini: $%d.%09d (price %s)",
		priced.GetCostNanousd()/1e9, priced.GetCostNanousd()%1e9, priced.GetPriceVersion())
}

// told is a header or, since streams report what they know at the end, a trailer.
func (o *outcome) told(name string) string {
	if v := o.answer.trailer.Get(name); v != "" {
		return v
	}
	return o.answer.header.Get(name)
}

// withTrace begins a trace at the client, as a traced application would.
func withTrace(ctx context.Context) (context.Context, trace.TraceID) {
	var id trace.TraceID
	var span trace.SpanID
	_, _ = rand.Read(id[:]) // never fails
	_, _ = rand.Read(span[:])
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled})
	return trace.ContextWithSpanContext(ctx, sc), id
}

package server

import (
	"context"
	"errors"
	"io"
	"time"

	"go.opentelemetry.io/otel/attribute"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/billing/internal/ledger"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// Bounds of one usage stream. A sender that is further ahead waits.
const (
	maxInFlight    = 1024 // records received and not yet acknowledged
	maxUsageCommit = 256  // records of one commit
)

// commitEvery is the least time from one commit of a stream to the next. A
// record after a pause is committed at once; under load those that come within
// this time share a transaction, which costs a fraction of one for each.
const commitEvery = 20 * time.Millisecond

var statuses = map[ledger.Status]billingv1.RecordUsageResponse_Status{
	ledger.Committed: billingv1.RecordUsageResponse_STATUS_COMMITTED, ledger.Duplicate: billingv1.RecordUsageResponse_STATUS_DUPLICATE,
	ledger.Conflict: billingv1.RecordUsageResponse_STATUS_CONFLICT, ledger.Invalid: billingv1.RecordUsageResponse_STATUS_INVALID,
}

// received is a record, or why it cannot be one.
type received struct {
	record  *billingv1.UsageRecord
	invalid string
}

// RecordUsage implements the contract: whatever has come in is committed
// together and then acknowledged. If the ledger cannot be reached, the stream
// ends and what was not acknowledged is to be sent again.
func (s *Billing) RecordUsage(stream billingv1.BillingService_RecordUsageServer) error {
	if err := internal(stream.Context(), ""); err != nil {
		return err
	}
	incoming := make(chan received, maxInFlight-maxUsageCommit)
	ended := make(chan error, 1)
	go receive(stream, incoming, ended)
	batch := make([]received, 0, maxUsageCommit)
	var last time.Time
	for first := range incoming {
		batch = fill(append(batch[:0], first), incoming, time.Until(last.Add(commitEvery)))
		last = time.Now()
		if err := s.settle(stream, batch); err != nil {
			return err
		}
	}
	return <-ended
}

// receive reads the stream until it ends. A record that breaks the rules of
// the contract is passed on as invalid: it must not stop those behind it.
func receive(stream billingv1.BillingService_RecordUsageServer, incoming chan<- received, ended chan<- error) {
	defer close(incoming)
	for {
		request := &billingv1.RecordUsageRequest{}
		err := stream.RecvMsg(request)
		item := received{record: request.GetRecord()}
		switch {
		case errors.Is(err, io.EOF):
			ended <- nil
			return
		case err != nil && errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) && item.record != nil:
			item.invalid = errs.From(err).Message
		case err != nil:
			ended <- err
			return
		}
		select {
		case incoming <- item:
		case <-stream.Context().Done():
			ended <- stream.Context().Err()
			return
		}
	}
}

// fill adds what comes in within wait, and what has come in already.
func fill(batch []received, incoming <-chan received, wait time.Duration) []received {
	if wait <= 0 {
		return fillNow(batch, incoming)
	}
	enough := time.NewTimer(wait)
	defer enough.Stop()
	for len(batch) < maxUsageCommit {
		select {
		case item, ok := <-incoming:
			if !ok {
				return batch
			}
			batch = append(batch, item)
		case <-enough.C:
			return fillNow(batch, incoming)
		}
	}
	return batch
}

// fillNow never waits.
func fillNow(batch []received, incoming <-chan received) []received {
	for len(batch) < maxUsageCommit {
		select {
		case item, ok := <-incoming:
			if !ok {
				return batch
			}
			batch = append(batch, item)
		default:
			return batch
		}
	}
	return batch
}

// settle commits a batch and acknowledges each record of it.
func (s *Billing) settle(stream billingv1.BillingService_RecordUsageServer, batch []received) (err error) {
	ctx, span := telemetry.Start(stream.Context(), "billing.settle", attribute.Int("tollgate.records", len(batch)))
	defer func() { telemetry.End(span, err) }()
	records := make([]ledger.Record, 0, len(batch))
	places := make([]int, 0, len(batch))
	results := make([]ledger.Result, len(batch))
	for i, item := range batch {
		if item.invalid == "" {
			item.invalid = foreign(ctx, item.record)
		}
		if item.invalid != "" {
			results[i] = ledger.Result{Status: ledger.Invalid, Message: item.invalid}
			continue
		}
		records, places = append(records, recordFromProto(item.record)), append(places, i)
	}
	booked, failure := s.Recorder.Record(ctx, records)
	for i, result := range booked {
		results[places[i]] = result
	}
	var cost int64
	for i, result := range results {
		if result.Status == 0 {
			continue // not booked: it will be sent again
		}
		s.Meters.Settled(ctx, result.Status, result.Cost)
		if result.Status == ledger.Committed {
			cost += int64(result.Cost)
		}
		if err := stream.Send(acknowledgement(batch[i].record, result)); err != nil {
			return err
		}
	}
	if span.IsRecording() {
		span.SetAttributes(attribute.Int64("tollgate.cost_nanousd", cost), attribute.StringSlice("tollgate.request_ids", requestIDs(batch)))
	}
	return public(failure)
}

// requestIDs names the first requests of a batch.
func requestIDs(batch []received) []string {
	const most = 16
	var ids []string
	for _, item := range batch[:min(len(batch), most)] {
		ids = append(ids, item.record.GetRequestId())
	}
	return ids
}

// foreign refuses a record that names another organisation than the caller
// for whom the stream was opened, if it was opened for one.
func foreign(ctx context.Context, record *billingv1.UsageRecord) string {
	p, _ := auth.FromContext(ctx)
	if p.Organization != "" && p.Organization != id("organizations", record.GetScopes().GetOrganization()) {
		return "scopes.organization is not the caller's"
	}
	return ""
}

func acknowledgement(record *billingv1.UsageRecord, result ledger.Result) *billingv1.RecordUsageResponse {
	return &billingv1.RecordUsageResponse{
		RequestId: record.GetRequestId(), Attempt: record.GetAttempt(), Status: statuses[result.Status],
		CostNanousd: int64(result.Cost), Message: result.Message,
	}
}

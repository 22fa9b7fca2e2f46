package settle

import (
	"context"
	"maps"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Labels of the record of an answer from the cache.
const (
	labelCachedInput  = "tollgate.cached_input_tokens"
	labelCachedOutput = "tollgate.cached_output_tokens"

	roleCache  = "cache"
	roleShadow = "shadow"
)

// Cached is an answer from the cache: what wrote it then, and what that took.
type Cached struct {
	Model     *billingv1.PricedModel
	Used      *llmv1.Usage
	StartTime time.Time
	Duration  time.Duration
	Streamed  bool
}

// RecordCached writes the one record of a request that was answered from the
// cache: nothing was used, and what would have been stands in the labels. It
// settles the hold. Like an attempt it is refused if it cannot be kept.
func RecordCached(ctx context.Context, j Journal, r Request, c Cached) error {
	record := &billingv1.UsageRecord{
		RequestId: r.ID, Attempt: 1, Scopes: r.Scopes, PricedModel: c.Model, RequestedModel: r.Model,
		Usage:   &llmv1.Usage{Source: llmv1.UsageSource_USAGE_SOURCE_NONE},
		Outcome: billingv1.Outcome_OUTCOME_CRASHED, StartTime: timestamppb.New(c.StartTime),
		Streamed: c.Streamed, Hold: r.Hold, Last: true, Metadata: cachedLabels(r.Metadata, c.Used),
	}
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		record.TraceId = sc.TraceID().String()
	}
	if err := j.Begin(record); err != nil {
		return err
	}
	record.Outcome, record.Duration = billingv1.Outcome_OUTCOME_CACHED, durationpb.New(c.Duration)
	return j.End(record)
}

func cachedLabels(own map[string]string, used *llmv1.Usage) map[string]string {
	input := tokens.Input(used)
	labels := make(map[string]string, len(own)+3)
	maps.Copy(labels, own)
	labels[labelRole] = roleCache
	labels[labelCachedInput] = strconv.FormatInt(input, 10)
	labels[labelCachedOutput] = strconv.FormatInt(tokens.Total(used)-input, 10)
	return labels
}

// ShadowLabels are the labels of the record of a request that nobody waits for.
func ShadowLabels() map[string]string { return map[string]string{labelRole: roleShadow} }

package observe

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// What the response cache did for a request; empty if its route has none.
const (
	CacheHit    = "hit"
	CacheMiss   = "miss"
	CacheShared = "shared"
	CacheBypass = "bypass"
)

// CacheMetrics are the instruments of the response cache.
type CacheMetrics struct {
	requests, saved metric.Int64Counter
	results         map[string]metric.MeasurementOption
	input, output   metric.MeasurementOption
}

// Fill is how full a cache in memory is.
type Fill struct{ Entries, Bytes, Evicted, Expired int64 }

// NewCacheMetrics makes the instruments; fill may be nil if nothing lies in
// this process.
func NewCacheMetrics(m metric.Meter, fill func() Fill) (*CacheMetrics, error) {
	out := &CacheMetrics{results: make(map[string]metric.MeasurementOption)}
	var err error
	if out.requests, err = m.Int64Counter("tollgate.router.cache.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Requests of routes with a response cache, by what it did.")); err != nil {
		return nil, err
	}
	if out.saved, err = m.Int64Counter("tollgate.router.cache.saved_tokens", metric.WithUnit("{token}"),
		metric.WithDescription("Tokens that answers from the cache did not use.")); err != nil {
		return nil, err
	}
	for _, result := range []string{CacheHit, CacheMiss, CacheShared, CacheBypass} {
		out.results[result] = metric.WithAttributeSet(attribute.NewSet(attribute.String("tollgate.cache", result)))
	}
	out.input = metric.WithAttributeSet(attribute.NewSet(attribute.String("gen_ai.token.type", "input")))
	out.output = metric.WithAttributeSet(attribute.NewSet(attribute.String("gen_ai.token.type", "output")))
	if fill == nil {
		return out, nil
	}
	return out, observeFill(m, fill)
}

func observeFill(m metric.Meter, fill func() Fill) error {
	entries, err := m.Int64ObservableGauge("tollgate.router.cache.entries", metric.WithUnit("{entry}"),
		metric.WithDescription("Answers that lie in this process."))
	if err != nil {
		return err
	}
	bytes, err := m.Int64ObservableGauge("tollgate.router.cache.size", metric.WithUnit("By"),
		metric.WithDescription("What they take."))
	if err != nil {
		return err
	}
	removed, err := m.Int64ObservableCounter("tollgate.router.cache.removed", metric.WithUnit("{entry}"),
		metric.WithDescription("Answers that were removed, for room or because their time was over."))
	if err != nil {
		return err
	}
	evicted := metric.WithAttributes(attribute.String("tollgate.reason", "evicted"))
	expired := metric.WithAttributes(attribute.String("tollgate.reason", "expired"))
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		f := fill()
		o.ObserveInt64(entries, f.Entries)
		o.ObserveInt64(bytes, f.Bytes)
		o.ObserveInt64(removed, f.Evicted, evicted)
		o.ObserveInt64(removed, f.Expired, expired)
		return nil
	}, entries, bytes, removed)
	return err
}

// Count counts a request; saved is nil unless it was answered from the cache.
func (m *CacheMetrics) Count(ctx context.Context, result string, saved *llmv1.Usage) {
	option, ok := m.results[result]
	if !ok {
		return // its route has no cache
	}
	m.requests.Add(ctx, 1, option)
	if saved != nil {
		input := tokens.Input(saved)
		m.saved.Add(ctx, input, m.input)
		m.saved.Add(ctx, tokens.Total(saved)-input, m.output)
	}
}

package server

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// meter counts what was checked and found. Names of checks and policies are
// configuration, so the series are bounded; content never gets here.
type meter struct {
	checks   metric.Int64Counter
	findings metric.Int64Counter
}

func newMeter(m metric.Meter) (*meter, error) {
	checks, err := m.Int64Counter("tollgate.guardrail.checks", metric.WithDescription("Evaluations, by policy, direction and verdict."))
	if err != nil {
		return nil, fmt.Errorf("create guardrail counter: %w", err)
	}
	found, err := m.Int64Counter("tollgate.guardrail.findings", metric.WithDescription("Findings, by check."))
	if err != nil {
		return nil, fmt.Errorf("create guardrail counter: %w", err)
	}
	return &meter{checks: checks, findings: found}, nil
}

// outcome is what one call came to.
type outcome struct {
	policy    string
	direction policy.Direction
	verdict   engine.Outcome
	findings  []*guardrailv1.Finding
	counts    map[string]int
}

func (m *meter) note(ctx context.Context, span trace.Span, o outcome) {
	name := verdictName(o.verdict)
	m.checks.Add(ctx, 1, metric.WithAttributes(attribute.String("policy", o.policy),
		attribute.String("direction", o.direction.String()), attribute.String("verdict", name)))
	span.SetAttributes(attribute.String("tollgate.guardrail.verdict", name))
	counts := count(o.counts, o.findings)
	for _, check := range slices.Sorted(maps.Keys(counts)) {
		m.findings.Add(ctx, int64(counts[check]), metric.WithAttributes(attribute.String("check", check)))
		span.SetAttributes(attribute.Int("tollgate.guardrail.findings."+check, counts[check]))
	}
}

func count(counts map[string]int, found []*guardrailv1.Finding) map[string]int {
	for _, f := range found {
		if counts == nil {
			counts = map[string]int{}
		}
		counts[f.GetCheck()]++
	}
	return counts
}

func verdictName(o engine.Outcome) string {
	switch o {
	case engine.Blocked:
		return "blocked"
	case engine.Modified:
		return "modified"
	}
	return "allowed"
}

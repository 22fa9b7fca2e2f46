package server

import (
	"context"

	"go.opentelemetry.io/otel/attribute"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// Check implements GuardrailService.
func (s *Server) Check(ctx context.Context, req *guardrailv1.CheckRequest) (resp *guardrailv1.CheckResponse, err error) {
	organization, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	pol, err := s.policy(req.GetPolicy())
	if err != nil {
		return nil, err
	}
	dir, err := direction(req.GetDirection())
	if err != nil {
		return nil, err
	}
	name := policyPrefix + pol.Policy.Name
	ctx, span := telemetry.Start(ctx, "guardrail.check", attribute.String("tollgate.guardrail.policy", name),
		attribute.String("tollgate.guardrail.direction", dir.String()), attribute.Int("tollgate.guardrail.contents", len(req.GetContents())))
	defer func() { telemetry.End(span, err) }()

	parts := make([]engine.Part, len(req.GetContents()))
	for i, c := range req.GetContents() {
		parts[i] = engine.Part{Kind: kind(c.GetKind()), Text: c.GetText()}
	}
	v, err := s.engine.Evaluate(ctx, engine.Request{Tenant: organization, Policy: pol, Direction: dir, Parts: parts})
	if err != nil {
		return nil, err
	}
	resp = &guardrailv1.CheckResponse{Verdict: verdict(v.Outcome), Findings: findings(v.Findings), Policy: name}
	for _, i := range v.Unscanned {
		resp.Findings = append(resp.Findings, unscanned(pol, i, len(parts[i].Text)))
	}
	for i := range parts {
		if text, ok := v.Masked[i]; ok {
			resp.Revisions = append(resp.Revisions, &guardrailv1.CheckResponse_Revision{ContentIndex: int32(i), Text: text})
		}
	}
	s.meter.note(ctx, span, outcome{policy: name, direction: dir, verdict: v.Outcome, findings: resp.GetFindings()})
	return resp, nil
}

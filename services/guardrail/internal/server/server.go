// Package server speaks the guardrail contract over gRPC.
package server

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/metric"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

const policyPrefix = "policies/"

// Server answers GuardrailService.
type Server struct {
	guardrailv1.UnimplementedGuardrailServiceServer

	engine   *engine.Engine
	policies func() *policy.Set
	meter    *meter
}

// New builds a server. policies gives the set in force, at any moment.
func New(e *engine.Engine, policies func() *policy.Set, m metric.Meter) (*Server, error) {
	instruments, err := newMeter(m)
	if err != nil {
		return nil, err
	}
	return &Server{engine: e, policies: policies, meter: instruments}, nil
}

// caller returns the organisation that the call is for.
func caller(ctx context.Context) (organization string, err error) {
	p, err := auth.Require(ctx)
	if err != nil {
		return "", err
	}
	return p.Organization, nil
}

func (s *Server) policy(name string) (*policy.Compiled, error) {
	p, ok := s.policies().Get(strings.TrimPrefix(name, policyPrefix))
	if !ok {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "there is no policy of this name").WithField("policy")
	}
	return p, nil
}

func direction(d guardrailv1.Direction) (policy.Direction, error) {
	switch d {
	case guardrailv1.Direction_DIRECTION_INPUT:
		return policy.Input, nil
	case guardrailv1.Direction_DIRECTION_OUTPUT:
		return policy.Output, nil
	}
	return 0, errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "direction must be set").WithField("direction")
}

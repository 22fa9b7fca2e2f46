package server

import (
	"context"
	"encoding/base64"
	"strings"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
)

const defaultPageSize = 100

// ListPolicies implements GuardrailService.
func (s *Server) ListPolicies(ctx context.Context, req *guardrailv1.ListPoliciesRequest) (*guardrailv1.ListPoliciesResponse, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	after, err := base64.RawURLEncoding.DecodeString(req.GetPageToken())
	if err != nil {
		return nil, invalid("page_token", "is not a token from an earlier answer")
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPageSize
	}
	page, more := s.policies().After(string(after), size)
	resp := &guardrailv1.ListPoliciesResponse{}
	for _, p := range page {
		resp.Policies = append(resp.Policies, policyMessage(p))
	}
	if more {
		last := page[len(page)-1].Policy.Name
		resp.NextPageToken = base64.RawURLEncoding.EncodeToString([]byte(last))
	}
	return resp, nil
}

// GetPolicy implements GuardrailService.
func (s *Server) GetPolicy(ctx context.Context, req *guardrailv1.GetPolicyRequest) (*guardrailv1.GetPolicyResponse, error) {
	if _, err := caller(ctx); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(req.GetName(), policyPrefix) {
		return nil, invalid("name", "must be policies/{policy}")
	}
	p, err := s.policy(req.GetName())
	if err != nil {
		return nil, err
	}
	return &guardrailv1.GetPolicyResponse{Policy: policyMessage(p)}, nil
}

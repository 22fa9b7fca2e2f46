package server

import (
	"context"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
)

// CreateContextRule stores a context rule.
func (s *Server) CreateContextRule(ctx context.Context, in *ragv1.CreateContextRuleRequest) (*ragv1.CreateContextRuleResponse, error) {
	p, err := caller(ctx, editors...)
	if err != nil {
		return nil, err
	}
	m := in.GetContextRule()
	name, err := nameOf("context_rule.name", m.GetName(), rulePrefix)
	if err != nil {
		return nil, err
	}
	rule := prompts.Rule{Name: name, Model: m.GetModel(), Team: m.GetTeam(), Keywords: m.GetKeywords(), Text: m.GetText()}
	if c := m.GetCollection(); c != "" {
		if rule.Collection, err = collectionOf(p, "context_rule.collection", c); err != nil {
			return nil, err
		}
	} else if rule.Text == "" {
		return nil, invalid("context_rule.context", "a rule adds a text or a collection")
	}
	rule, err = s.prompts.CreateRule(ctx, p.Organization, rule)
	if err != nil {
		return nil, err
	}
	return &ragv1.CreateContextRuleResponse{ContextRule: ruleMessage(rule)}, nil
}

// ListContextRules lists the context rules, by name.
func (s *Server) ListContextRules(ctx context.Context, in *ragv1.ListContextRulesRequest) (*ragv1.ListContextRulesResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.prompts.Rules(ctx, p.Organization)
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, func(r prompts.Rule) string { return r.Name }, in.GetPageSize(), in.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &ragv1.ListContextRulesResponse{NextPageToken: next}
	for _, r := range list {
		out.ContextRules = append(out.ContextRules, ruleMessage(r))
	}
	return out, nil
}

// DeleteContextRule deletes a context rule.
func (s *Server) DeleteContextRule(ctx context.Context, in *ragv1.DeleteContextRuleRequest) (*ragv1.DeleteContextRuleResponse, error) {
	p, err := caller(ctx, editors...)
	if err != nil {
		return nil, err
	}
	name, err := nameOf("name", in.GetName(), rulePrefix)
	if err != nil {
		return nil, err
	}
	return &ragv1.DeleteContextRuleResponse{}, s.prompts.DeleteRule(ctx, p.Organization, name)
}

package server

import (
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/engine"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

func kind(k guardrailv1.ContentKind) engine.Kind {
	switch k {
	case guardrailv1.ContentKind_CONTENT_KIND_JSON:
		return engine.JSON
	case guardrailv1.ContentKind_CONTENT_KIND_TOOL_RESULT, guardrailv1.ContentKind_CONTENT_KIND_PASSAGE:
		return engine.Data
	case guardrailv1.ContentKind_CONTENT_KIND_INSTRUCTIONS:
		return engine.Instructions
	}
	return engine.Text
}

func action(a check.Action) guardrailv1.Action {
	switch a {
	case check.Flag:
		return guardrailv1.Action_ACTION_FLAG
	case check.Mask:
		return guardrailv1.Action_ACTION_MASK
	case check.Block:
		return guardrailv1.Action_ACTION_BLOCK
	}
	return guardrailv1.Action_ACTION_UNSPECIFIED
}

func verdict(o engine.Outcome) guardrailv1.Verdict {
	switch o {
	case engine.Blocked:
		return guardrailv1.Verdict_VERDICT_BLOCKED
	case engine.Modified:
		return guardrailv1.Verdict_VERDICT_MODIFIED
	}
	return guardrailv1.Verdict_VERDICT_ALLOWED
}

func findings(found []engine.Finding) []*guardrailv1.Finding {
	if len(found) == 0 {
		return nil
	}
	rows := make([]guardrailv1.Finding, len(found))
	out := make([]*guardrailv1.Finding, len(found))
	for i, f := range found {
		r := &rows[i]
		r.Check, r.Entity, r.Action = f.Check, f.Entity, action(f.Action)
		r.ContentIndex, r.StartByte, r.EndByte, r.Score = int32(f.Part), int64(f.Start), int64(f.End), f.Score
		out[i] = r
	}
	return out
}

// unscannedCheck names the finding that says that a text could not be
// examined, so that letting it pass never looks like finding nothing.
const unscannedCheck = "unscanned"

func unscanned(pol *policy.Compiled, part, length int) *guardrailv1.Finding {
	a := guardrailv1.Action_ACTION_BLOCK
	if pol.FailOpen {
		a = guardrailv1.Action_ACTION_FLAG
	}
	return &guardrailv1.Finding{Check: unscannedCheck, Entity: "UNSCANNED", Action: a, ContentIndex: int32(part), EndByte: int64(length), Score: 1}
}

func policyMessage(p *policy.Compiled) *guardrailv1.Policy {
	m := &guardrailv1.Policy{Name: policyPrefix + p.Policy.Name, Description: p.Policy.Description, Version: p.Version}
	for _, r := range p.Describe() {
		rule := &guardrailv1.Rule{Check: r.Check, Action: action(r.Action), Threshold: r.Threshold, Placeholder: r.Placeholder}
		for _, d := range r.Directions {
			side := guardrailv1.Direction_DIRECTION_INPUT
			if d == policy.Output {
				side = guardrailv1.Direction_DIRECTION_OUTPUT
			}
			rule.Directions = append(rule.Directions, side)
		}
		m.Rules = append(m.Rules, rule)
	}
	return m
}

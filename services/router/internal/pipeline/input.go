package pipeline

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"google.golang.org/protobuf/proto"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
)

// maxContents is the most texts that one check takes.
const maxContents = 8192

// guardInput checks every text on its way to a model, and masks what must not
// reach one.
func guardInput(ctx context.Context, r *request) (err error) {
	on, err := r.guards(ctx, guardrailv1.Direction_DIRECTION_INPUT)
	if err != nil || !on {
		return err
	}
	contents := r.inputContents()
	if len(contents) == 0 {
		return nil
	}
	ctx, span := telemetry.Start(ctx, "router.guard_input")
	defer func() { telemetry.End(span, err) }()
	revisions, blocked, err := r.check(ctx, guardrailv1.Direction_DIRECTION_INPUT, contents)
	span.SetAttributes(attribute.Int("tollgate.guardrail.texts", len(contents)),
		attribute.Int("tollgate.guardrail.revised", len(revisions)))
	switch {
	case err != nil && unavailable(ctx, err) && r.pipeline.options.GuardrailOpen:
		r.note(ctx, span, "passed unchecked: guardrail is unavailable", err)
		return nil
	case err != nil:
		return guardrailError(ctx, err)
	case blocked != nil:
		return blockedError(llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED, "a guardrail policy stopped the request", blocked)
	}
	r.revise(revisions)
	return nil
}

// guards says whether the route's policy has rules for a direction.
func (r *request) guards(ctx context.Context, d guardrailv1.Direction) (bool, error) {
	checker := r.pipeline.peers.Checker
	if checker == nil {
		return false, nil
	}
	on, err := checker.HasRules(ctx, r.decision.Entry.Policy, d)
	switch {
	case err == nil:
		return on, nil
	case unavailable(ctx, err) && r.pipeline.options.GuardrailOpen:
		return true, nil // the check itself decides
	default:
		return false, guardrailError(ctx, err)
	}
}

// guardrailError is what a failed check means: the request must not go on, and
// it is not the client's fault.
func guardrailError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return peerDown("guardrail", err)
}

func (r *request) inputContents() []*guardrailv1.Content {
	if r.texts != nil {
		contents := make([]*guardrailv1.Content, len(r.texts.Inputs))
		for i, text := range r.texts.Inputs {
			contents[i] = &guardrailv1.Content{Kind: guardrailv1.ContentKind_CONTENT_KIND_TEXT, Text: text}
		}
		return contents
	}
	texts := conversation.Texts(r.conversation)
	contents := make([]*guardrailv1.Content, len(texts))
	for i, t := range texts {
		contents[i] = &guardrailv1.Content{Kind: t.Kind, Text: *t.Value}
	}
	return contents
}

// check evaluates texts, in as many calls as it takes, and takes note of what
// was found. blocked holds the names of the checks that stopped it, nil if none did.
func (r *request) check(ctx context.Context, d guardrailv1.Direction, contents []*guardrailv1.Content) (revisions map[int]string, blocked []string, err error) {
	for first := 0; first < len(contents); first += maxContents {
		response, err := r.pipeline.peers.Checker.Check(ctx, &guardrailv1.CheckRequest{
			Policy: r.decision.Entry.Policy, Direction: d,
			Contents: contents[first:min(first+maxContents, len(contents))],
		})
		if err != nil {
			return nil, nil, err
		}
		r.notice(response.GetPolicy(), response.GetFindings())
		if response.GetVerdict() == guardrailv1.Verdict_VERDICT_BLOCKED {
			return nil, blocking(response.GetFindings()), nil
		}
		for _, revision := range response.GetRevisions() {
			if revisions == nil {
				revisions = make(map[int]string)
			}
			i := first + int(revision.GetContentIndex())
			if i < first || i >= len(contents) {
				return nil, nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the guardrail revised a text that it was not shown")
			}
			revisions[i] = revision.GetText()
		}
	}
	return revisions, nil, nil
}

// revise puts masked texts into copies of what the client sent.
func (r *request) revise(revisions map[int]string) {
	if len(revisions) == 0 {
		return
	}
	if r.texts != nil {
		texts := *r.texts
		texts.Inputs = slices.Clone(texts.Inputs)
		for i, text := range revisions {
			texts.Inputs[i] = text
		}
		r.texts = &texts
		return
	}
	r.conversation = proto.Clone(r.conversation).(*llmv1.Conversation)
	conversation.Revise(r.conversation, revisions)
	r.revisions = revisions
}

// blocking names the checks that block; never nil.
func blocking(findings []*guardrailv1.Finding) []string {
	names := []string{}
	for _, f := range findings {
		if f.GetAction() == guardrailv1.Action_ACTION_BLOCK && !slices.Contains(names, f.GetCheck()) {
			names = append(names, f.GetCheck())
		}
	}
	slices.Sort(names)
	return names
}

// blockedError names the checks, never what they found.
func blockedError(reason llmv1.ErrorReason, what string, checks []string) error {
	if len(checks) == 0 {
		return errs.New(reason, "%s", what)
	}
	names := strings.Join(checks, ", ")
	return errs.New(reason, "%s: %s", what, names).WithMetadata("checks", names)
}

// notice adds findings to the report: how often each check did what.
func (r *request) notice(policy string, findings []*guardrailv1.Finding) {
	for _, f := range findings {
		r.addNotice(policy, f.GetCheck(), actionName(f.GetAction()))
	}
}

func (r *request) addNotice(policy, check, action string) { r.addNotices(policy, check, action, 1) }

func (r *request) addNotices(policy, check, action string, count int32) {
	for _, n := range r.notices {
		if n.GetPolicy() == policy && n.GetCheck() == check && n.GetAction() == action {
			n.Count += count
			return
		}
	}
	r.notices = append(r.notices, &llmv1.GuardrailNotice{Policy: policy, Check: check, Action: action, Count: count})
}

func actionName(a guardrailv1.Action) string {
	return strings.ToLower(strings.TrimPrefix(a.String(), "ACTION_"))
}

package prompts_test

import (
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
	"github.com/tollgate/tollgate/services/rag/internal/store/storetest"
)

func reason(err error) llmv1.ErrorReason { return errs.From(err).Reason }

func TestTemplates(t *testing.T) {
	ctx := t.Context()
	p := prompts.New(storetest.Embedded(t), time.Hour, nil)
	_, err := p.CreateTemplate(ctx, "o", "a", "no variable")
	if e := errs.From(err); e.Reason != llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT || e.Field != "template.text" {
		t.Errorf("%+v", e)
	}
	for want := range 3 {
		got, err := p.CreateTemplate(ctx, "o", "a", "text {{context}} "+string(rune('0'+want)))
		if err != nil || got.Version != want+1 {
			t.Fatalf("%+v %v", got, err)
		}
	}
	for version, text := range map[int]string{0: "text {{context}} 2", 1: "text {{context}} 0", 3: "text {{context}} 2"} {
		if got, err := p.Template(ctx, "o", "a", version); err != nil || got.Text != text {
			t.Errorf("version %d: %+v %v", version, got, err)
		}
	}
	if _, err := p.Template(ctx, "o", "a", 4); reason(err) != llmv1.ErrorReason_ERROR_REASON_NOT_FOUND {
		t.Errorf("version 4: %v", err)
	}
	if _, err := p.Template(ctx, "other", "a", 0); reason(err) != llmv1.ErrorReason_ERROR_REASON_NOT_FOUND {
		t.Errorf("another organisation: %v", err)
	}
	if list, err := p.Templates(ctx, "o"); err != nil || len(list) != 1 || list[0].Version != 3 {
		t.Errorf("%+v %v", list, err)
	}
	if err := p.DeleteTemplate(ctx, "o", "a"); err != nil {
		t.Error(err)
	}
	// The cache must not outlive the change, however long it lasts.
	if _, err := p.Template(ctx, "o", "a", 0); reason(err) != llmv1.ErrorReason_ERROR_REASON_NOT_FOUND {
		t.Errorf("deleted: %v", err)
	}
	if err := p.DeleteTemplate(ctx, "o", "a"); reason(err) != llmv1.ErrorReason_ERROR_REASON_NOT_FOUND {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestRules(t *testing.T) {
	ctx := t.Context()
	p := prompts.New(storetest.Embedded(t), time.Hour, nil)
	if list, err := p.Rules(ctx, "o"); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	rule := prompts.Rule{Name: "r", Model: "gpt-*", Keywords: []string{"refund"}, Text: "Refunds take a week."}
	if _, err := p.CreateRule(ctx, "o", rule); err != nil {
		t.Fatal(err)
	}
	if _, err := p.CreateRule(ctx, "o", rule); reason(err) != llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS {
		t.Errorf("again: %v", err)
	}
	list, err := p.Rules(ctx, "o")
	if err != nil || len(list) != 1 || list[0].Text != rule.Text || list[0].Model != rule.Model || list[0].Created.IsZero() {
		t.Errorf("%+v %v", list, err)
	}
	if list, err := p.Rules(ctx, "other"); err != nil || len(list) != 0 {
		t.Errorf("another organisation: %+v %v", list, err)
	}
	if err := p.DeleteRule(ctx, "o", "r"); err != nil {
		t.Error(err)
	}
	if list, err := p.Rules(ctx, "o"); err != nil || len(list) != 0 {
		t.Errorf("deleted: %+v %v", list, err)
	}
}

func TestMatches(t *testing.T) {
	cases := []struct {
		rule                  prompts.Rule
		model, team, question string
		want                  bool
	}{
		{prompts.Rule{}, "m", "t", "q", true},
		{prompts.Rule{Model: "gpt-*"}, "gpt-4o", "", "", true},
		{prompts.Rule{Model: "*/llama-?"}, "meta/llama-3", "", "", true},
		{prompts.Rule{Model: "a*b*c"}, "aXbYbc", "", "", true},
		{prompts.Rule{Model: "gpt-*"}, "o3", "", "", false},
		{prompts.Rule{Model: "gpt"}, "gpt-4o", "", "", false},
		{prompts.Rule{Team: "t1"}, "", "t1", "", true},
		{prompts.Rule{Team: "t1"}, "", "t2", "", false},
		{prompts.Rule{Keywords: []string{"Refund"}}, "", "", "how is a refund paid?", true},
		{prompts.Rule{Keywords: []string{"fund"}}, "", "", "how is a refund paid?", false},
		{prompts.Rule{Keywords: []string{"x", "sick leave"}}, "", "", "on sick leave.", true},
		{prompts.Rule{Model: "gpt-*", Team: "t1", Keywords: []string{"a"}}, "gpt-4", "t2", "a", false},
	}
	for _, tc := range cases {
		if got := tc.rule.Matches(tc.model, tc.team, tc.question); got != tc.want {
			t.Errorf("%+v on %q %q %q: %v", tc.rule, tc.model, tc.team, tc.question, got)
		}
	}
}

package route

import (
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func readCascade(t *testing.T, text string) (Cascade, error) {
	t.Helper()
	var c struct {
		Cascade Cascade `yaml:"cascade"`
	}
	if err := config.Parse([]byte("cascade: "+text), func(string) (string, bool) { return "", false }, &c); err != nil {
		return c.Cascade, err
	}
	v := config.NewValidator()
	c.Cascade.validate(v.At("cascade"))
	return c.Cascade, v.Err()
}

func TestJudges(t *testing.T) {
	said := func(text string, finish llmv1.FinishReason) *llmv1.Completion {
		return &llmv1.Completion{Candidates: []*llmv1.Candidate{{FinishReason: finish, Message: &llmv1.Message{Parts: []*llmv1.Part{
			{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: "I am not sure, so I think for long."}}},
			{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}},
		}}}}}
	}
	stop, length := llmv1.FinishReason_FINISH_REASON_STOP, llmv1.FinishReason_FINISH_REASON_LENGTH
	asksJSON := &llmv1.Conversation{ResponseFormat: &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonObject_{JsonObject: &llmv1.ResponseFormat_JsonObject{}}}}
	calls := &llmv1.Completion{Candidates: []*llmv1.Candidate{{Message: &llmv1.Message{Parts: []*llmv1.Part{
		{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Name: "f"}}},
	}}}}}
	for _, tc := range []struct {
		cascade string
		asked   *llmv1.Conversation
		answer  *llmv1.Completion
		want    string
	}{
		{"{min_length: 4}", nil, said("äöü", stop), "length"},
		{"{min_length: 3}", nil, said(" äöü\n", stop), ""},
		{"{min_length: 9}", nil, calls, ""},
		{"{forbid_finish: [length]}", nil, said("x", length), "finish"},
		{"{forbid_finish: [refusal, content_filter]}", nil, said("x", length), ""},
		{"{json: true}", asksJSON, said(`{"a":`, stop), "json"},
		{"{json: true}", asksJSON, said(`{"a":1}`, stop), ""},
		{"{json: true}", nil, said("no JSON was asked for", stop), ""},
		{`{pattern: '\d+'}`, nil, said("forty-two", stop), "pattern"},
		{`{pattern: '\d+'}`, nil, said("42", stop), ""},
		{"{deny: ['(?i)not sure']}", nil, said("I am Not Sure.", stop), "deny"},
		{"{deny: ['(?i)not sure']}", nil, said("Certainly.", stop), ""},
	} {
		c, err := readCascade(t, tc.cascade)
		if err != nil {
			t.Fatal(err)
		}
		j, err := newJudge(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&Entry{judge: j}).Judge(tc.asked)(tc.answer); got != tc.want {
			t.Errorf("%s finds %q in %v, want %q", tc.cascade, got, tc.answer, tc.want)
		}
	}
	if j, err := newJudge(Cascade{}); j != nil || err != nil || (&Entry{}).Judge(nil) != nil {
		t.Error("a cascade that is off judges")
	}
}

func TestFaultsOfCascades(t *testing.T) {
	for text, want := range map[string]string{
		"{min_length: -1}":        "cascade.min_length",
		"{forbid_finish: [stop]}": "cascade.forbid_finish[0]",
		"{pattern: '('}":          "cascade.pattern",
		"{deny: ['a', '[']}":      "cascade.deny[1]",
		"{max_bytes: 1GiB}":       "cascade.max_bytes",
	} {
		if _, err := readCascade(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

package settle

import (
	"testing"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

const sentence = "The gateway holds budget for each request before it asks a provider."

func conversation(text string) *llmv1.Conversation {
	return &llmv1.Conversation{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
		{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}},
	}}}}
}

// An estimate is made with the tokenizer of the model that was asked, whatever
// the client called it, and counts what that target was sent.
func TestEstimatesNameTheirTokenizer(t *testing.T) {
	mine := &catalog.Model{Tokenizer: tokens.CL100K}
	for _, c := range []struct {
		name       string
		deployment route.Deployment
		want       string
		tokens     int64 // of the sentence; 0 for not compared
	}{
		{"OpenAI", route.Deployment{Model: "gpt-4o"}, tokens.O200K, 13},
		{"by the catalogue", route.Deployment{Model: "my-deployment", Known: mine}, tokens.CL100K, 13},
		{"no public tokenizer", route.Deployment{Model: "claude-sonnet-4-5"}, tokens.ByteClasses, 0},
		{"nobody knows", route.Deployment{Model: "x"}, tokens.ByteClasses, 0},
	} {
		a := &attempt.Attempt{
			Candidate: route.Candidate{Deployment: &c.deployment}, Asked: &provider.Request{Conversation: conversation(sentence), Context: sentence},
			Written: tokens.NewWritten(c.deployment.Tokenizer(), c.deployment.Model),
		}
		a.Written.AddString(sentence)
		u, tokenizer := usageOf(a, attempt.End{Outcome: billingv1.Outcome_OUTCOME_CANCELLED})
		if tokenizer != c.want || u.GetSource() != llmv1.UsageSource_USAGE_SOURCE_ESTIMATED {
			t.Errorf("%s: counted by %q, source %v", c.name, tokenizer, u.GetSource())
		}
		if c.tokens > 0 && (u.GetInputTokens() != 2*c.tokens+7 || u.GetOutputTokens() != c.tokens) {
			t.Errorf("%s: usage %v", c.name, u)
		}
		if u.GetInputTokens() == 0 || u.GetOutputTokens() == 0 {
			t.Errorf("%s: usage %v", c.name, u)
		}
	}
}

func TestOtherUsagesNameNone(t *testing.T) {
	reported := &attempt.Attempt{Reported: &llmv1.Usage{InputTokens: 5}, Answer: &provider.Answer{Completion: &llmv1.Completion{}}}
	if u, tokenizer := usageOf(reported, attempt.End{}); tokenizer != "" || u.GetInputTokens() != 5 {
		t.Errorf("%v by %q", u, tokenizer)
	}
	vectors := &attempt.Attempt{
		Candidate: route.Candidate{Deployment: &route.Deployment{Model: "text-embedding-3-small"}}, Vectors: &provider.Embeddings{},
		Embedded: &provider.EmbedRequest{Inputs: []string{sentence, sentence + " " + sentence}},
	}
	if u, tokenizer := usageOf(vectors, attempt.End{}); tokenizer != tokens.CL100K || u.GetInputTokens() != 39 || u.GetOutputTokens() != 0 {
		t.Errorf("%v by %q", u, tokenizer)
	}
}

// A stream that was cut has the provider's input, and our count of its output
// if that is more than was reported by then.
func TestPartialUsage(t *testing.T) {
	a := &attempt.Attempt{
		Candidate: route.Candidate{Deployment: &route.Deployment{Model: "gpt-4o"}}, Reported: &llmv1.Usage{InputTokens: 100, CacheReadTokens: 50, OutputTokens: 1},
		Written: tokens.NewWritten(tokens.O200K, "gpt-4o"),
	}
	a.Written.AddString(sentence)
	u, tokenizer := usageOf(a, attempt.End{})
	if u.GetInputTokens() != 100 || u.GetCacheReadTokens() != 50 || u.GetOutputTokens() != 13 || tokenizer != tokens.O200K {
		t.Errorf("%v by %q", u, tokenizer)
	}
}

func TestLabels(t *testing.T) {
	own := map[string]string{"team": "x"}
	if got := labelled(own, tokens.O200K, ""); len(own) != 1 || got["team"] != "x" || got[labelTokenizer] != tokens.O200K {
		t.Errorf("labels %v of %v", got, own)
	}
	if got := labelled(own, "", ""); len(got) != 1 {
		t.Errorf("labels %v", got)
	}
	if got := labelled(nil, tokens.ByteClasses, ""); got[labelTokenizer] != tokens.ByteClasses {
		t.Errorf("labels %v", got)
	}
}

package pairs

import (
	"fmt"
	"testing"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/cache"
)

// kept is an answer as the response cache keeps it.
func kept(calls bool) *llmv1.Completion {
	part := func(text string) *llmv1.Part {
		return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}
	}
	m := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{part(said)}}
	reason := llmv1.FinishReason_FINISH_REASON_STOP
	if calls {
		for i, arguments := range []string{`{"city":"Zürich"}`, `{}`} {
			m.Parts = append(m.Parts, &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{
				Id: fmt.Sprint("call_", i), Name: "weather", Arguments: arguments,
			}}})
		}
		reason = llmv1.FinishReason_FINISH_REASON_TOOL_CALLS
	}
	return &llmv1.Completion{
		Id: "req_1", Model: model, Candidates: []*llmv1.Candidate{{Message: m, FinishReason: reason}},
		Usage: &llmv1.Usage{InputTokens: 239, CacheReadTokens: 64, OutputTokens: 128},
	}
}

// An answer from the cache is a legal stream in every client's format, however
// it is paced, and says the same as when it was written.
func TestKeptAnswersAreToldAlike(t *testing.T) {
	for _, to := range clients {
		for name, replay := range map[string]func(*llmv1.Completion) *cache.Replay{
			"at once": cache.Burst,
			"paced":   func(c *llmv1.Completion) *cache.Replay { return cache.Paced(c, nil) },
			"one byte at a time": func(c *llmv1.Completion) *cache.Replay {
				return cache.Paced(c, make([]cache.Beat, 10_000))
			},
			"slow": func(c *llmv1.Completion) *cache.Replay {
				return cache.Paced(c, []cache.Beat{{Bytes: 3}, {After: time.Second, Bytes: 100}})
			},
		} {
			for _, calls := range []bool{false, true} {
				t.Run(fmt.Sprint(to.name, "/", name, "/", calls), func(t *testing.T) {
					e, r := to.encoder(), replay(kept(calls))
					var want told
					var out []byte
					for chunk, _ := r.Next(); chunk != nil; chunk, _ = r.Next() {
						want.see(chunk)
						out = e.Append(out, chunk)
					}
					out = e.End(out)
					if want.text != said || want.torn {
						t.Fatalf("replayed %q, torn %v", want.text, want.torn)
					}
					sameStory(t, to.name, hear(to.ear(), out), want, out)
				})
			}
		}
	}
}

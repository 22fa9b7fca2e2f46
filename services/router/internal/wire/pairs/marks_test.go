package pairs

import (
	"bytes"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Marks that the router places arrive in every format that has some: behind
// tools, instructions and settled turns, in this order of what the provider reads.
func TestPlacedMarksArrive(t *testing.T) {
	say := func(role llmv1.Role, text string) *llmv1.Message {
		return &llmv1.Message{Role: role, Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}}}
	}
	plain := &llmv1.Conversation{
		Model: model,
		Tools: []*llmv1.Tool{{Name: "first", Parameters: `{"type":"object"}`}, {Name: "second", Parameters: `{"type":"object"}`}},
		Messages: []*llmv1.Message{
			say(llmv1.Role_ROLE_SYSTEM, "the rules"), say(llmv1.Role_ROLE_USER, "a question"),
			say(llmv1.Role_ROLE_ASSISTANT, "an answer"), say(llmv1.Role_ROLE_USER, "another question"),
		},
	}
	at := conversation.CachePointsOf(plain, func(*llmv1.Conversation) int64 { return 5000 })
	marked := conversation.WithCachePoints(plain, at)
	for format, mark := range map[string]string{"anthropic": `"cache_control"`, "converse": `"cachePoint"`} {
		for _, to := range targets {
			if to.name != format {
				continue
			}
			out, err := to.encode(&provider.Request{Conversation: marked, Model: to.model}, false)
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(out, []byte(mark)); n != 3 {
				t.Errorf("%s: %d marks in %s", format, n, out)
			}
			for _, before := range []string{`second`, `the rules`, `an answer`} {
				_, after, _ := strings.Cut(string(out), before)
				if at := strings.Index(after, mark); at < 0 || at > 60+len(`"inputSchema":{"json":{"type":"object"}}`) {
					t.Errorf("%s: no mark behind %q in %s", format, before, out)
				}
			}
			// Where the client speaks the format, they are written into its bytes.
			written, err := to.encode(&provider.Request{Conversation: plain, Model: to.model}, false)
			if err != nil {
				t.Fatal(err)
			}
			own, _, err := clientOf(t, format).parse(written)
			if err != nil {
				t.Fatal(err)
			}
			rendered, err := own.Render(&provider.Request{Conversation: plain, Model: to.model, CachePoints: at}, false)
			if err != nil || !bytes.Equal(rendered, out) {
				t.Errorf("%s: %v\ngot  %s\nwant %s", format, err, rendered, out)
			}
		}
	}
}

func clientOf(t *testing.T, format string) client {
	t.Helper()
	for _, c := range clients {
		if c.name == format {
			return c
		}
	}
	t.Fatalf("no client speaks %s", format)
	return client{}
}

package builtin

import (
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// handbook is what an organisation might have written about its gateway.
var handbook = []*ragv1.Passage{
	passage("budgets.md", "Budgets", []string{"How a hold works"}, `## How a hold works

Before a request leaves, the gateway reserves what it may cost at worst. This reservation is called a **hold**.
When the answer has arrived, the hold is settled: the real cost becomes a [ledger entry](ledger.md), and the rest is given back.
Settled and held money together never exceed the limit, e.g. when forty requests arrive at once.

A hold that nobody settles expires after ten minutes.`),
	passage("budgets.md", "Budgets", []string{"Scopes"}, `## Scopes

A budget belongs to one of four scopes:

- the organisation
- a team
- a user
- a key

| Scope | Window | Who sets it |
|-------|--------|-------------|
| team  | month  | the team's lead |
| key   | day    | an admin |
`),
	passage("run.md", "Running the gateway", []string{"First start"}, "## First start\n\nStart all services in one process with:\n\n```sh\ngateway serve\n```\n\n"+
		"The HTTP server listens on port 8080. It stops accepting requests when it is told to shut down.\n"),
	passage("guard.html", "Checks", nil, `<h2>What is checked</h2><p>Each message is scanned for e-mail addresses and card numbers before a provider sees it.</p>
<script>alert("card")</script><ul><li>A card number is verified with the Luhn sum.</li><li>An e-mail address is replaced by a placeholder.</li></ul>`),
	passage("history.md", "History", nil, "The first version was written in a week of rain. Nobody remembers why it was called Heron."),
}

func passage(name, title string, headings []string, text string) *ragv1.Passage {
	return &ragv1.Passage{
		Document: "collections/handbook/documents/" + name, Title: title, HeadingPath: headings, Text: text,
		StartByte: 100, EndByte: 100 + int64(len(text)), Uri: "file:" + name,
	}
}

func asked(question string, passages ...*ragv1.Passage) *provider.Request {
	return &provider.Request{
		Model: "tollgate-builtin", Passages: passages,
		Conversation: &llmv1.Conversation{Model: "default", Messages: []*llmv1.Message{
			said(llmv1.Role_ROLE_SYSTEM, "You are a helpful pirate."), said(llmv1.Role_ROLE_USER, question),
		}},
	}
}

func said(role llmv1.Role, text string) *llmv1.Message {
	return &llmv1.Message{Role: role, Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}}}
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name, question string
		want           []string
		not            []string
		markers        string
	}{
		{
			"a definition comes whole and with what it leans on", "What is a hold?",
			[]string{"the gateway reserves what it may cost at worst. This reservation is called a hold.", "[1]"},
			[]string{"**", "rain"},
			"1",
		},
		{
			"another form of the word", "How does the gateway keep budgets from being overshot? I am [PERSON] and my card is [CARD_1].",
			[]string{"[1]"},
			[]string{"Luhn", "rain"},
			"",
		},
		{
			"a command comes with its code", "How do I start the gateway?",
			[]string{"Start all services in one process with: [3]\n\n```sh\ngateway serve\n```"},
			[]string{"rain"},
			"",
		},
		{
			"a number", "Which port does the HTTP server listen on?",
			[]string{"The HTTP server listens on port 8080.", "[3]"},
			[]string{"rain"},
			"",
		},
		{
			"a list comes with the line before it", "Which scopes can a budget belong to?",
			[]string{"A budget belongs to one of four scopes: [2]\n\n- the organisation\n- a team\n- a user\n- a key"},
			nil, "",
		},
		{
			"a table row can be read alone", "Who sets the window of a key?",
			[]string{"key — Window: day; Who sets it: an admin"},
			nil, "",
		},
		{
			"HTML is read as text", "What is an e-mail address replaced by?",
			[]string{"An e-mail address is replaced by a placeholder.", "[4]"},
			[]string{"<li>", "alert"},
			"",
		},
		{
			"expiry", "When does a hold expire?",
			[]string{"A hold that nobody settles expires after ten minutes. [1]"},
			nil, "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, citations := answer(asked(tt.question, handbook...))
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("no %q", want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(text, not) {
					t.Errorf("has %q", not)
				}
			}
			if !strings.HasPrefix(text, opening) && !strings.HasPrefix(text, closest) {
				t.Errorf("does not say what it is")
			}
			var markers []string
			for _, c := range citations {
				markers = append(markers, c.GetMarker())
				p := handbook[int(c.GetMarker()[0]-'1')]
				if c.GetDocument() != p.GetDocument() || c.GetStartByte() != p.GetStartByte() || c.GetEndByte() != p.GetEndByte() {
					t.Errorf("citation %v is not of passage %s", c, c.GetMarker())
				}
			}
			if got := strings.Join(markers, ""); tt.markers != "" && got != tt.markers {
				t.Errorf("markers %q, want %q", got, tt.markers)
			}
			if t.Failed() {
				t.Logf("answer:\n%s", text)
			}
		})
	}
}

func TestSaysWhatItIs(t *testing.T) {
	tests := map[string]*provider.Request{
		"no passage":        asked("What is a hold?"),
		"nothing fits":      asked("What is the capital of France?", handbook...),
		"nothing asked":     asked("hello", handbook...),
		"placeholder only":  asked("[EMAIL]", handbook...),
		"no user's message": {Conversation: &llmv1.Conversation{Messages: []*llmv1.Message{said(llmv1.Role_ROLE_SYSTEM, "hold")}}, Passages: handbook},
		"empty passages":    asked("What is a hold?", passage("a.md", "", nil, ""), passage("b.md", "", nil, "\n---\n")),
	}
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			text, citations := answer(r)
			for _, want := range []string{"built-in answerer", "not a language model", "tollgate rag ingest", "provider: openai-compatible", "${OPENAI_API_KEY}"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in:\n%s", want, text)
				}
			}
			if len(citations) != 0 {
				t.Errorf("cites %v", citations)
			}
		})
	}
}

func TestFollowUpTakesTheTurnBefore(t *testing.T) {
	r := asked("How long does a hold live?", handbook...)
	r.Conversation.Messages = append(r.Conversation.Messages, said(llmv1.Role_ROLE_ASSISTANT, "…"), said(llmv1.Role_ROLE_USER, "And when does it expire?"))
	text, _ := answer(r)
	if !strings.Contains(text, "A hold that nobody settles expires after ten minutes. [1]") {
		t.Errorf("got:\n%s", text)
	}
}

func TestOverlappingPassagesAreQuotedOnce(t *testing.T) {
	const line = "A hold that nobody settles expires after ten minutes."
	text, _ := answer(asked("When does a hold expire?", passage("a.md", "A", nil, line), passage("b.md", "B", nil, line+" Then it is gone.")))
	if n := strings.Count(text, line); n != 1 {
		t.Errorf("quoted %d times:\n%s", n, text)
	}
}

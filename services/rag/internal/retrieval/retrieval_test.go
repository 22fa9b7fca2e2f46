package retrieval_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/rag/internal/ingest"
	"github.com/tollgate/tollgate/services/rag/internal/library"
	"github.com/tollgate/tollgate/services/rag/internal/pack"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
	"github.com/tollgate/tollgate/services/rag/internal/retrieval"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
	"github.com/tollgate/tollgate/services/rag/internal/store/storetest"
)

type fixture struct {
	*retrieval.Retriever
	prompts *prompts.Prompts
}

func build(t testing.TB, docs map[string]string) fixture {
	t.Helper()
	s := storetest.Embedded(t)
	l := library.New(s, library.Options{Limits: ingest.DefaultLimits(), Terms: sparse.DefaultParams()})
	for name, content := range docs {
		collection, document, _ := strings.Cut(name, "/")
		_, _, err := l.Ingest(context.Background(), "o", library.Source{Collection: collection, Name: document, Content: []byte(content)})
		if err != nil {
			t.Fatal(err)
		}
	}
	p := prompts.New(s, time.Second, nil)
	return fixture{retrieval.New(s, p, retrieval.Options{}), p}
}

var docs = map[string]string{
	"zoo/tigers.md":  "# Tigers\n\nA tiger eats nine kilos of meat a day.\n",
	"zoo/lions.md":   "# Lions\n\nA lion sleeps twenty hours a day.\n",
	"rules/visit.md": "# Visits\n\nVisitors may not feed a tiger or a lion.\n",
}

func everything(string) bool { return true }

func names(passages []pack.Passage) string {
	var out []string
	for _, p := range passages {
		out = append(out, p.Document.Name)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestRetrieve(t *testing.T) {
	r := build(t, docs)
	hits, err := r.Retrieve(t.Context(), retrieval.Scope{Organization: "o"}, "How much meat does a tiger eat?", 10)
	if err != nil || len(hits) != 2 || hits[0].Document.Name != "tigers.md" || hits[0].Score <= hits[1].Score {
		t.Errorf("%+v %v", hits, err)
	}
	hits, err = r.Retrieve(t.Context(), retrieval.Scope{Organization: "o", Collections: []string{"rules"}}, "tiger", 10)
	if err != nil || len(hits) != 1 || hits[0].Document.Name != "visit.md" {
		t.Errorf("%+v %v", hits, err)
	}
}

func TestEnrich(t *testing.T) {
	r := build(t, docs)
	for _, rule := range []prompts.Rule{
		{Name: "note", Keywords: []string{"feed"}, Text: "Feeding time is noon."},
		{Name: "other-model", Model: "gpt-*", Text: "Never."},
		{Name: "house-rules", Team: "keepers", Collection: "rules"},
	} {
		if _, err := r.prompts.CreateRule(t.Context(), "o", rule); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.prompts.CreateTemplate(t.Context(), "o", "own", "Facts:\n{{context}}\nAsked: {{question}}"); err != nil {
		t.Fatal(err)
	}
	base := retrieval.Conversation{Organization: "o", Model: "claude", Allowed: everything}
	with := func(change func(*retrieval.Conversation)) retrieval.Conversation {
		c := base
		change(&c)
		return c
	}
	cases := []struct {
		name            string
		in              retrieval.Conversation
		passages, rules string
		holds           string
	}{
		{"nothing asked for", with(func(c *retrieval.Conversation) { c.Questions = []string{"What eats a tiger?"} }), "", "", ""},
		{"a collection", with(func(c *retrieval.Conversation) {
			c.Questions, c.Collections = []string{"How much does a tiger eat?"}, []string{"zoo"}
		}), "tigers.md", "", "nine kilos"},
		{"a note", with(func(c *retrieval.Conversation) { c.Questions = []string{"When do you feed?"} }), "", "note", "noon"},
		{"a rule's collection", with(func(c *retrieval.Conversation) {
			c.Questions, c.Team = []string{"May I pet the tiger?"}, "keepers"
		}), "visit.md", "house-rules", "may not feed"},
		{"a rule's collection that is not allowed", with(func(c *retrieval.Conversation) {
			c.Questions, c.Team, c.Allowed = []string{"May I pet the tiger?"}, "keepers", func(string) bool { return false }
		}), "", "", ""},
		{"a follow-up", with(func(c *retrieval.Conversation) {
			c.Questions, c.Collections = []string{"And how much is that?", "What does a tiger eat?"}, []string{"zoo"}
		}), "tigers.md", "", "nine kilos"},
		{"an own template", with(func(c *retrieval.Conversation) {
			c.Questions, c.Collections, c.Template = []string{"Do lions sleep?"}, []string{"zoo"}, "own"
		}), "lions.md", "", "Asked: Do lions sleep?"},
		{"too small a budget", with(func(c *retrieval.Conversation) {
			c.Questions, c.Collections, c.MaxTokens = []string{"Do lions sleep?"}, []string{"zoo"}, 10
		}), "", "", ""},
	}
	for _, tc := range cases {
		got, err := r.Enrich(t.Context(), tc.in)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if names(got.Passages) != tc.passages || strings.Join(got.Rules, " ") != tc.rules || !strings.Contains(got.Text, tc.holds) {
			t.Errorf("%s: passages %q, rules %v, text %s", tc.name, names(got.Passages), got.Rules, got.Text)
		}
		if tc.holds == "" && got.Text != "" {
			t.Errorf("%s: text %s", tc.name, got.Text)
		}
	}
	if _, err := r.Enrich(t.Context(), with(func(c *retrieval.Conversation) { c.Template = "none" })); err == nil {
		t.Error("an unknown template is taken")
	}
}

func BenchmarkEnrich(b *testing.B) {
	many := map[string]string{}
	for i := range 50 {
		many["zoo/"+strings.Repeat("x", i+1)+".md"] = strings.Repeat(docs["zoo/tigers.md"]+docs["zoo/lions.md"], 8)
	}
	r := build(b, many)
	c := retrieval.Conversation{
		Organization: "o", Questions: []string{"How much meat does a tiger eat?"}, Collections: []string{"zoo"}, Allowed: everything,
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Enrich(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}

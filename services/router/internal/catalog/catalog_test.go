package catalog

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/capability"
)

func newCatalog(t testing.TB, entries ...Entry) *Catalog {
	t.Helper()
	c, err := New(entries)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFind(t *testing.T) {
	c := newCatalog(t)
	for name, want := range map[string]string{
		"gpt-4o":                     "gpt-4o",
		"GPT-4o":                     "gpt-4o",
		"gpt-4o-2024-08-06":          "gpt-4o",
		"gpt-4o-2024-05-13":          "gpt-4o-2024-05-13", // has a row of its own
		"openai/gpt-4o":              "gpt-4o",
		"openrouter/openai/o3":       "o3",
		"gpt-4-0613":                 "gpt-4",
		"gpt-5-chat-latest":          "gpt-5-chat",
		"text-embedding-3-small":     "text-embedding-3-small",
		"claude-sonnet-4-5":          "claude-sonnet-4-5",
		"claude-sonnet-4-5@20250929": "claude-sonnet-4-5",
		"us.anthropic.claude-sonnet-4-5-20250929-v1:0":                                         "claude-sonnet-4-5",
		"anthropic.claude-3-5-sonnet-20241022-v2:0":                                            "claude-3-5-sonnet",
		"anthropic.claude-opus-4-6-v1":                                                         "claude-opus-4-6",
		"eu.anthropic.claude-opus-4-1-20250805-v1:0":                                           "anthropic.claude-opus-4-1", // Bedrock has it otherwise
		"claude-opus-4-1-20250805":                                                             "claude-opus-4-1",
		"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0":     "amazon.nova-pro",
		"arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-haiku-4-5-20251001-v1:0": "claude-haiku-4-5",
		"amazon.nova-pro-v1:0:300k":                                                            "amazon.nova-pro",
		"amazon.titan-embed-text-v2:0":                                                         "amazon.titan-embed-text-v2",
		"cohere.embed-english-v3":                                                              "embed-english-v3",
		"us.meta.llama3-3-70b-instruct-v1:0":                                                   "meta.llama3-3-70b-instruct",
		"us.deepseek.r1-v1:0":                                                                  "deepseek.r1",
		"openai.gpt-oss-120b-1:0":                                                              "gpt-oss-120b",
		"models/gemini-2.5-pro":                                                                "gemini-2.5-pro",
		"publishers/google/models/gemini-2.5-flash":                                            "gemini-2.5-flash",
		"gemini-2.0-flash-001":                                                                 "gemini-2.0-flash",
		"gemini-2.5-flash-preview-09-2025":                                                     "gemini-2.5-flash",
		"gemini-3-flash-preview":                                                               "gemini-3-flash",
		"meta-llama/Llama-3.3-70B-Instruct":                                                    "llama-3.3-70b",
		"llama3.1:8b":                                                                          "llama-3.1-8b",
		"Qwen/Qwen3-32B":                                                                       "qwen3-32b",
		"mistral-large-latest":                                                                 "mistral-large",
		"mistral-large-2411":                                                                   "mistral-large-2411",
		"sonar-pro":                                                                            "sonar-pro",
		"o1":                                                                                   "o1",
		"o1-2024-12-17":                                                                        "o1",
		"gpt-99":                                                                               "",
		"":                                                                                     "",
		"/":                                                                                    "",
		".":                                                                                    "",
		"-2024-08-06":                                                                          "",
		"us.":                                                                                  "",
		"v1":                                                                                   "",
		strings.Repeat("x", 300):                                                               "",
	} {
		got := ""
		if m := c.Find(name); m != nil {
			got = m.Name
		}
		if got != want {
			t.Errorf("%q is found as %q, want %q", name, got, want)
		}
	}
	if (*Catalog)(nil).Find("gpt-4o") != nil {
		t.Error("no catalogue knows a model")
	}
}

func FuzzFind(f *testing.F) {
	for _, name := range []string{"gpt-4o-2024-08-06", "us.anthropic.claude-x-v1:0", "a/b.c-1@2", ":::", "é.é"} {
		f.Add(name)
	}
	c := newCatalog(f)
	f.Fuzz(func(t *testing.T, name string) {
		if m := c.Find(name); m != nil && c.Find(m.Name) != m {
			t.Errorf("%q is %q, which is not itself", name, m.Name)
		}
	})
}

func TestFindDoesNotAllocate(t *testing.T) {
	c := newCatalog(t)
	for _, name := range []string{"gpt-4o", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "nobody's-model-2024-01-01"} {
		if n := testing.AllocsPerRun(100, func() { c.Find(name) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := readShipped(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFind(b *testing.B) {
	c := newCatalog(b)
	b.ReportAllocs()
	for b.Loop() {
		c.Find("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
	}
}

// Every row must make sense: a figure that is missing or has a digit too many
// refuses requests, or lets them through to fail.
func TestRows(t *testing.T) {
	models := newCatalog(t).Models()
	if len(models) < 200 {
		t.Fatalf("%d models", len(models))
	}
	latest := make(map[string]int)
	for _, m := range models {
		if m.Name != strings.ToLower(m.Name) || m.Vendor == "" || m.Family == "" {
			t.Errorf("%s: vendor %q, family %q", m.Name, m.Vendor, m.Family)
		}
		if m.Context != 0 && (m.Context < 100 || m.Context > 20_000_000) || m.Output > max(m.Context, 200_000) {
			t.Errorf("%s reads %d, writes %d", m.Name, m.Context, m.Output)
		}
		chats, embeds := !m.Lacks.Has(capability.Chat), !m.Lacks.Has(capability.Embeddings)
		if chats == embeds {
			t.Errorf("%s: answers %v, embeds %v", m.Name, chats, embeds)
		}
		if !slices.Contains(m.Input, "text") {
			t.Errorf("%s reads no text", m.Name)
		}
		if slices.Contains(m.Input, "image") == m.Lacks.Has(capability.Images) {
			t.Errorf("%s: images are both read and lacked, or neither", m.Name)
		}
		if m.Tokenizer != "" && !slices.Contains(Tokenizers(), m.Tokenizer) {
			t.Errorf("%s: tokenizer %q", m.Name, m.Tokenizer)
		}
		if m.Latest {
			latest[m.Family]++
		}
	}
	for family, n := range latest {
		if n > 1 {
			t.Errorf("%s has %d latest models", family, n)
		}
	}
	if len(latest) < 30 {
		t.Errorf("only %d families have a latest model", len(latest))
	}
}

// The price list is another service's; only the names are compared.
func TestPriceKeysNameRowsOfThePriceList(t *testing.T) {
	data, err := os.ReadFile("../../../billing/internal/price/catalogue.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Entries []struct {
			Provider, Model string
			Aliases         []string
		}
	}
	if err := json.Unmarshal(data, &list); err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]bool)
	for _, e := range list.Entries {
		for _, name := range append(e.Aliases, e.Model) {
			rows[e.Provider+"/"+strings.ToLower(name)] = true
		}
	}
	priced := 0
	for _, m := range newCatalog(t).Models() {
		if m.Price == "" {
			continue
		}
		priced++
		if !rows[m.Price] {
			t.Errorf("%s: the price list has no %s", m.Name, m.Price)
		}
	}
	if priced < 80 {
		t.Errorf("only %d models have a price key", priced)
	}
}

func TestConfiguration(t *testing.T) {
	var f struct {
		Models []Entry `yaml:"models"`
	}
	if err := config.Parse([]byte(`
models:
  - {name: my-deployment, like: gpt-4o, context: 32000, aliases: [Other-Name]}
  - {name: gpt-4o-mini, output: 100}
  - {name: local, context: 8192, input: [text, image], lacks: [tools, json_schema], tokenizer: cl100k_base, retires: "2027-01-31"}
  - {name: o3, lacks: []}
`), nil, &f); err != nil {
		t.Fatal(err)
	}
	v := config.NewValidator()
	Validate(v.At("models"), f.Models)
	if err := v.Err(); err != nil {
		t.Fatal(err)
	}
	c := newCatalog(t, f.Models...)
	mine, base := c.Find("My-Deployment"), c.Find("gpt-4o")
	if mine.Context != 32000 || mine.Output != base.Output || mine.Tokenizer != base.Tokenizer || mine.Lacks != base.Lacks {
		t.Errorf("like gpt-4o: %+v", mine)
	}
	if c.Find("other-name") != mine {
		t.Error("the alias is not found")
	}
	if m := c.Find("gpt-4o-mini-2024-07-18"); m.Output != 100 || m.Context != 128000 {
		t.Errorf("a corrected row: %+v", m)
	}
	local := c.Find("vllm/local")
	if !local.Lacks.Has(capability.Tools|capability.Documents) || local.Lacks.Has(capability.Images) || local.Retires.IsZero() {
		t.Errorf("a new row: %+v", local)
	}
	if c.Find("o3").Lacks.Has(capability.Temperature) {
		t.Error("an empty list leaves what was lacked")
	}
	if newCatalog(t).Find("my-deployment") != nil || newCatalog(t).Find("gpt-4o-mini").Output == 100 {
		t.Error("one configuration shows in another's catalogue")
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	v := config.NewValidator()
	Validate(v.At("models"), []Entry{
		{Name: "a", Like: "nobody", Context: -1, Output: -1, Input: []string{"smell"}, Lacks: []string{"telepathy"}, Tokenizer: "words", Retires: "soon"},
		{Name: "A"},
		{},
	})
	got := v.Err().Error()
	for _, want := range []string{
		`models[0].like: no model "nobody"`, "models[0].context", "models[0].output", `models[0].input[0]: "smell"`,
		`models[0].lacks[0]: "telepathy"`, `models[0].tokenizer: "words"`, "models[0].retires", `models[1].name: "a" stands twice`, "models[2].name",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("not reported: %s", want)
		}
	}
	if t.Failed() {
		t.Log(got)
	}
}

package capability

import (
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestEveryFeatureHasARow(t *testing.T) {
	if got := bits.Len64(uint64(All)); got != len(table) {
		t.Fatalf("%d features, %d rows", got, len(table))
	}
	names := make(map[string]bool)
	for i, r := range table {
		if r.bit != 1<<i {
			t.Errorf("row %d (%s) stands at the wrong place", i, r.name)
		}
		if r.name == "" || names[r.name] {
			t.Errorf("row %d has no name of its own: %q", i, r.name)
		}
		names[r.name] = true
		if r.field[canonical] == "" {
			t.Errorf("%s has no canonical path", r.name)
		}
		if found, ok := Parse(r.name); !ok || found != r.bit {
			t.Errorf("%s is found as %v", r.name, found)
		}
		if i > 0 && r.class < table[i-1].class {
			t.Errorf("%s: content stands before parameters before hints", r.name)
		}
	}
	if _, ok := Parse("telepathy"); ok {
		t.Error("a feature that does not exist was found")
	}
}

// The names are for the configuration, so its page must have them all.
func TestEveryFeatureIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range All.Names() {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/models.md does not name %s", name)
		}
	}
}

func TestHintPaths(t *testing.T) {
	for path, want := range map[string]bool{
		"store": true, "service_tier": true, "prompt_cache_key": true, "store.x": true, "store[0]": true,
		"storey": false, "logit_bias": false, "": false,
	} {
		if got := HintPath("openai", path); got != want {
			t.Errorf("%q is a hint: %v", path, got)
		}
	}
	if HintPath("gemini", "store") || HintPath("", "store") {
		t.Error("a hint of one dialect is one of another")
	}
}

// What a wire format expresses, its clients can ask for: then there must be a
// name for it. (A dialect may name more than its providers take: top_k.)
func TestEveryFeatureOfAWireFormatHasAField(t *testing.T) {
	for _, dialect := range Dialects() {
		if dialect == "titan" {
			continue // no client dialect
		}
		column := column(dialect)
		if column == canonical {
			t.Fatalf("%s has no column", dialect)
		}
		for f := range (All &^ Wire(dialect)).Each() {
			if rowOf(f).field[column] == "" {
				t.Errorf("%s expresses %s, but has no name for it", dialect, rowOf(f).name)
			}
		}
	}
}

func TestWiresAreExact(t *testing.T) {
	if len(wires) != len(Dialects()) {
		t.Errorf("%d wire formats, %d listed", len(wires), len(Dialects()))
	}
	has := func(dialects ...string) []string { return dialects }
	// Each feature with the formats that have it; a feature without a row here fails.
	want := map[Set][]string{
		Chat:                has("openai", "responses", "anthropic", "converse", "gemini", "titan"),
		Embeddings:          has("openai", "responses", "anthropic", "converse", "gemini", "titan"),
		System:              has("openai", "responses", "anthropic", "converse", "gemini"),
		Images:              has("openai", "responses", "anthropic", "converse", "gemini"),
		Documents:           has("openai", "responses", "anthropic", "converse", "gemini"),
		Audio:               has("openai", "converse", "gemini"),
		ImageURLs:           has("openai", "responses", "anthropic", "gemini"),
		DocumentURLs:        has("responses", "anthropic", "gemini"),
		AudioURLs:           has("gemini"),
		S3Objects:           has("converse"),
		GSObjects:           has("gemini"),
		Tools:               has("openai", "responses", "anthropic", "converse", "gemini"),
		ToolResultMedia:     has("responses", "anthropic", "converse", "gemini"),
		ToolHistory:         has("openai", "responses", "anthropic", "converse", "gemini"),
		Prefill:             has("anthropic", "converse"),
		ToolChoice:          has("openai", "responses", "anthropic", "converse", "gemini"),
		ToolChoiceNone:      has("openai", "responses", "anthropic", "gemini"),
		ParallelControl:     has("openai", "responses", "anthropic"),
		StrictTools:         has("openai", "responses", "anthropic", "converse"),
		JSONObject:          has("openai", "responses", "gemini"),
		JSONSchema:          has("openai", "responses", "anthropic", "converse", "gemini"),
		Temperature:         has("openai", "responses", "anthropic", "converse", "gemini", "titan"),
		HighTemperature:     has("openai", "responses", "gemini"),
		TopP:                has("openai", "responses", "anthropic", "converse", "gemini", "titan"),
		TopK:                has("anthropic", "converse", "gemini"),
		TemperatureWithTopP: has("openai", "responses", "anthropic", "converse", "gemini", "titan"),
		Seed:                has("openai", "gemini"),
		PresencePenalty:     has("openai", "gemini"),
		FrequencyPenalty:    has("openai", "gemini"),
		Candidates:          has("openai", "gemini"),
		Stop:                has("openai", "anthropic", "converse", "gemini", "titan"),
		BlankStops:          has("openai", "gemini", "titan"),
		StopsOver4:          has("anthropic", "converse", "gemini", "titan"),
		StopsOver5:          has("anthropic", "converse", "titan"),
		OutputLimit:         has("openai", "responses", "anthropic", "converse", "gemini", "titan"),
		Reasoning:           has("openai", "responses", "anthropic", "converse", "gemini"),
		ReasoningOff:        has("openai", "responses", "anthropic", "converse", "gemini"),
		ReasoningXHigh:      has("openai", "responses", "anthropic", "converse"),
		CallSignatures:      has("gemini"),
		ReasoningEffort:     has("openai", "responses", "anthropic", "converse", "gemini"),
		ReasoningBudget:     has("anthropic", "converse", "gemini"),
		IncludeThinking:     has("responses", "anthropic", "converse", "gemini"),
		ThinkingHistory:     has("responses", "anthropic", "converse"),
		UnsignedThinking:    has("gemini"),
		CachePoints:         has("anthropic", "converse"),
		CacheTTL:            has("anthropic", "converse"),
		EndUser:             has("openai", "responses", "anthropic"),
		ParticipantNames:    has("openai"),
		LateSystem:          has("openai", "responses"),
		ToolErrors:          has("anthropic", "converse", "gemini"),
		ImageDetail:         has("openai", "responses"),
		DocumentTitles:      has("openai", "responses", "anthropic", "converse"),
		Citations:           {},
	}
	for f := range All.Each() {
		formats, ok := want[f]
		if !ok {
			t.Errorf("%v has no row in this test", f)
		}
		for _, dialect := range Dialects() {
			if got := !Wire(dialect).Has(f); got != slices.Contains(formats, dialect) {
				t.Errorf("%s expresses %v: %v", dialect, f, got)
			}
		}
	}
	if Wire("builtin") != None {
		t.Error("a format that is not known lacks something")
	}
}

func TestClassesAreDisjointAndWhole(t *testing.T) {
	content, parameters, hints := All.Content(), All.Parameters(), All.Hints()
	if content&parameters != 0 || content&hints != 0 || parameters&hints != 0 || content|parameters|hints != All {
		t.Error("classes overlap or leave something out")
	}
	for f, want := range map[Set]Class{Images: Content, Tools: Content, Seed: Parameter, JSONSchema: Parameter, CachePoints: Hint, EndUser: Hint} {
		if got := ClassOf(f); got != want {
			t.Errorf("%v is of class %d", f, got)
		}
	}
}

func TestFields(t *testing.T) {
	for _, c := range []struct {
		dialect string
		feature Set
		want    string
	}{
		{"openai", Seed, "seed"},
		{"gemini", TopK, "generationConfig.topK"},
		{"bedrock", Stop, "inferenceConfig.stopSequences"},
		{"converse", Stop, "inferenceConfig.stopSequences"},
		{"anthropic", ReasoningBudget, "thinking.budget_tokens"},
		{"grpc", Seed, "conversation.sampling.seed"},
		{"", Tools, "conversation.tools"},
		{"anthropic", Seed, "conversation.sampling.seed"}, // only a route's defaults bring it there
	} {
		if got := Field(c.dialect, c.feature); got != c.want {
			t.Errorf("%s has %v as %q, want %q", c.dialect, c.feature, got, c.want)
		}
	}
	got := AppendFields([]string{"logit_bias"}, "openai", Temperature|HighTemperature|Stop|StopsOver4)
	if want := []string{"logit_bias", "temperature", "stop"}; !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
}

func TestLost(t *testing.T) {
	for name, c := range map[string]struct{ needs, lacks, want Set }{
		"nothing":                     {Images | Seed, TopK, None},
		"what is needed":              {Images | Seed, Seed | TopK, Seed},
		"no thinking where none is":   {ReasoningOff, Reasoning | ReasoningOff, None},
		"no thinking where some is":   {ReasoningOff, ReasoningOff, ReasoningOff},
		"effort as a budget":          {Reasoning | ReasoningEffort, ReasoningEffort, None},
		"thinking shown where none":   {Reasoning | IncludeThinking, Reasoning, Reasoning | IncludeThinking},
		"tools never called":          {Tools | ToolChoiceNone | StrictTools, Tools | ToolChoiceNone | StrictTools, None},
		"tools not called any more":   {Tools | ToolChoiceNone | ToolHistory, ToolChoiceNone, ToolChoiceNone},
		"tools that might be called":  {Tools, Tools, Tools},
		"every feature with nobody's": {All, All, All &^ ReasoningOff},
	} {
		if got := c.needs.Lost(c.lacks); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	if got := (Embeddings | Seed | Audio).String(); got != "embeddings, audio, seed" {
		t.Error(got)
	}
	if got := (Seed | Images).First(); got != Images {
		t.Errorf("first is %v", got)
	}
}

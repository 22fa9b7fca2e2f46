package capability

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

const plain = `messages { role: ROLE_USER parts { text { text: "hi" } } } `

// cases are conversations with what they need and with what is left of them
// when all of it that can go has gone.
var cases = []struct {
	name, in string
	needs    Set
	left     string // of what Strip leaves without needs; empty for no change
}{
	{"plain", plain, None, ""},
	{"system", `messages { role: ROLE_SYSTEM parts { text { text: "be" } } }` + plain, System, ""},
	{
		"late system", plain + `messages { role: ROLE_SYSTEM parts { text { text: "be" } } }` + plain, System | LateSystem,
		`messages { role: ROLE_SYSTEM parts { text { text: "be" } } }` + plain + plain,
	},
	{"image", `messages { role: ROLE_USER parts { image { blob { data: "x" } detail: "auto" } } }`, Images, ""},
	{
		"image by address", `messages { role: ROLE_USER parts { image { blob { uri: "https://a" } detail: "low" } } }`, Images | ImageURLs | ImageDetail,
		`messages { role: ROLE_USER parts { image { blob { uri: "https://a" } } } }`,
	},
	{"image in S3", `messages { role: ROLE_USER parts { image { blob { uri: "s3://a/b" } } } }`, Images | S3Objects, ""},
	{
		"document in GCS", `messages { role: ROLE_USER parts { document { blob { uri: "gs://a/b" } title: "t" } } }`, Documents | GSObjects | DocumentTitles,
		`messages { role: ROLE_USER parts { document { blob { uri: "gs://a/b" } } } }`,
	},
	{"document by address", `messages { role: ROLE_USER parts { document { blob { uri: "https://a" } } } }`, Documents | DocumentURLs, ""},
	{"audio", `messages { role: ROLE_USER parts { audio { blob { data: "x" } } } }`, Audio, ""},
	{"audio by address", `messages { role: ROLE_USER parts { audio { blob { uri: "https://a" } } } }`, Audio | AudioURLs, ""},
	{"prefill", plain + `messages { role: ROLE_ASSISTANT parts { text { text: "{" } } }`, Prefill, ""},
	{
		"name", `messages { role: ROLE_USER name: "eve" parts { text { text: "hi" } } }`, ParticipantNames,
		plain,
	},
	{
		"citations", `messages { role: ROLE_USER parts { text { text: "hi" citations { marker: "1" } } } }`, Citations,
		plain,
	},
	{"tools", plain + `tools { name: "f" }`, Tools, ""},
	{"strict tools", plain + `tools { name: "f" strict: true } tools { name: "g" }`, Tools | StrictTools, plain + `tools { name: "f" } tools { name: "g" }`},
	{"required", plain + `tools { name: "f" } tool_choice { mode: MODE_REQUIRED }`, Tools | ToolChoice, plain + `tools { name: "f" } tool_choice { }`},
	{
		"named, one at a time", plain + `tools { name: "f" } tool_choice { mode: MODE_NAMED name: "f" disable_parallel: true }`,
		Tools | ToolChoice | ParallelControl, plain + `tools { name: "f" } tool_choice { }`,
	},
	{"auto", plain + `tools { name: "f" } tool_choice { mode: MODE_AUTO }`, Tools, ""},
	{"none", plain + `tools { name: "f" } tool_choice { mode: MODE_NONE }`, Tools | ToolChoiceNone, plain},
	{"a choice of nothing", plain + `tool_choice { mode: MODE_NONE disable_parallel: true }`, None, ""},
	{
		"history of tools", plain + `messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" } } }
		messages { role: ROLE_TOOL parts { tool_result { is_error: true parts { image { blob { data: "x" } } } } } }`,
		ToolHistory | ToolResultMedia | Images | ToolErrors,
		plain + `messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" } } }
		messages { role: ROLE_TOOL parts { tool_result { parts { image { blob { data: "x" } } } } } }`,
	},
	{
		"none after calls", `messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" } } } messages { role: ROLE_TOOL parts { tool_result { } } }
		tools { name: "f" } tool_choice { mode: MODE_NONE }`, Tools | ToolHistory | ToolChoiceNone,
		`messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" } } } messages { role: ROLE_TOOL parts { tool_result { } } }
		tools { name: "f" } tool_choice { }`,
	},
	{"json", plain + `response_format { json_object { } }`, JSONObject, plain},
	{"schema", plain + `response_format { json_schema { name: "a" } }`, JSONSchema, plain},
	{
		"sampling", plain + `sampling { temperature: 1 top_p: 1 top_k: 3 seed: 0 presence_penalty: 1 frequency_penalty: 1 candidate_count: 2 max_output_tokens: 9 stop: "a" }`,
		Temperature | TopP | TemperatureWithTopP | TopK | Seed | PresencePenalty | FrequencyPenalty | Candidates | OutputLimit | Stop, plain + `sampling { }`,
	},
	{"defaults", plain + `sampling { presence_penalty: 0 frequency_penalty: 0 candidate_count: 1 }`, None, ""},
	{"hot", plain + `sampling { temperature: 1.5 }`, Temperature | HighTemperature, plain + `sampling { }`},
	{
		"stops", plain + `sampling { stop: "a" stop: "\n\n" stop: "b" stop: "c" stop: "d" stop: "e" }`,
		Stop | BlankStops | StopsOver4 | StopsOver5, plain + `sampling { }`,
	},
	{"effort", plain + `reasoning { effort: EFFORT_LOW }`, Reasoning | ReasoningEffort, plain},
	{"the most effort", plain + `reasoning { effort: EFFORT_XHIGH }`, Reasoning | ReasoningEffort | ReasoningXHigh, plain},
	{
		"signature of a call", plain + `messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" signature: "s" } } } messages { role: ROLE_TOOL parts { tool_result { } } }`,
		ToolHistory | CallSignatures, plain + `messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" } } } messages { role: ROLE_TOOL parts { tool_result { } } }`,
	},
	{"budget", plain + `reasoning { budget_tokens: 5000 include_thinking: true }`, Reasoning | ReasoningBudget | IncludeThinking, plain},
	{"no thinking", plain + `reasoning { effort: EFFORT_NONE include_thinking: true }`, ReasoningOff, plain},
	{"no budget", plain + `reasoning { budget_tokens: 0 }`, ReasoningOff, plain},
	{"the model's own thinking", plain + `reasoning { }`, None, ""},
	{
		"thinking", `messages { role: ROLE_ASSISTANT parts { thinking { text: "a" signature: "s" } } parts { thinking { redacted: "r" } } } ` + plain, ThinkingHistory,
		plain,
	},
	{
		"thinking without a signature", `messages { role: ROLE_ASSISTANT parts { thinking { text: "a" } } parts { text { text: "b" } } } ` + plain, UnsignedThinking,
		`messages { role: ROLE_ASSISTANT parts { text { text: "b" } } } ` + plain,
	},
	{
		"cache points", `messages { role: ROLE_USER parts { text { text: "hi" } } parts { cache_point { ttl: "1h" } } }`, CachePoints | CacheTTL,
		plain,
	},
	{"end user", plain + `end_user: "u"`, EndUser, plain},
}

func parse(t testing.TB, text string) *llmv1.Conversation {
	t.Helper()
	c := &llmv1.Conversation{}
	if err := prototext.Unmarshal([]byte(text), c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOf(t *testing.T) {
	seen := Chat | Embeddings // no conversation shows these
	for _, c := range cases {
		if got := Of(parse(t, c.in)); got != c.needs {
			t.Errorf("%s needs %v, want %v", c.name, got, c.needs)
		}
		seen |= c.needs
	}
	if seen != All {
		t.Errorf("no case needs %v", All&^seen)
	}
}

func TestStrip(t *testing.T) {
	for _, c := range cases {
		in := parse(t, c.in)
		before := proto.Clone(in)
		out := Strip(in, c.needs)
		if !proto.Equal(in, before) {
			t.Fatalf("%s: what came in was changed", c.name)
		}
		want := before
		if c.left != "" {
			want = parse(t, c.left)
		} else if out != in {
			t.Errorf("%s: copied for nothing", c.name)
		}
		if !proto.Equal(out, want) {
			t.Errorf("%s: left is\n%v\nwant\n%v", c.name, out, want)
		}
		if left := Of(out) & c.needs; left.Lost(c.needs)&^left.Content() != 0 {
			t.Errorf("%s: still needs %v", c.name, left)
		}
		if again := Strip(in, All&^c.needs&^Reasoning&^Tools); c.needs != None && Of(again) != c.needs {
			t.Errorf("%s: lost %v with what others lack", c.name, c.needs&^Of(again))
		}
	}
}

func TestStripInParts(t *testing.T) {
	for _, c := range []struct {
		name     string
		in, left string
		lacks    Set
	}{
		{"one at a time", `tool_choice { mode: MODE_REQUIRED disable_parallel: true } tools { name: "f" }`, `tool_choice { disable_parallel: true } tools { name: "f" }`, ToolChoice},
		{"choice", `tool_choice { mode: MODE_REQUIRED disable_parallel: true } tools { name: "f" }`, `tool_choice { mode: MODE_REQUIRED } tools { name: "f" }`, ParallelControl},
		{"too hot", `sampling { temperature: 1.5 top_p: 1 }`, `sampling { top_p: 1 }`, HighTemperature},
		{"heat or nucleus", `sampling { temperature: 1 top_p: 1 }`, `sampling { temperature: 1 }`, TemperatureWithTopP},
		{"blank stops", `sampling { stop: "a" stop: " \n" stop: "b" }`, `sampling { stop: "a" stop: "b" }`, BlankStops},
		{"four stops", `sampling { stop: "1" stop: "2" stop: "3" stop: "4" stop: "5" stop: "6" }`, `sampling { stop: "1" stop: "2" stop: "3" stop: "4" }`, StopsOver4 | StopsOver5},
		{"five stops", `sampling { stop: "1" stop: "2" stop: "3" stop: "4" stop: "5" stop: "6" }`, `sampling { stop: "1" stop: "2" stop: "3" stop: "4" stop: "5" }`, StopsOver5},
		{"small budget", `reasoning { budget_tokens: 1024 include_thinking: true }`, `reasoning { effort: EFFORT_LOW include_thinking: true }`, ReasoningBudget},
		{"middling budget", `reasoning { budget_tokens: 4096 include_thinking: true }`, `reasoning { effort: EFFORT_MEDIUM }`, ReasoningBudget | IncludeThinking},
		{"large budget", `reasoning { budget_tokens: 16384 }`, `reasoning { effort: EFFORT_HIGH }`, ReasoningBudget},
		{"budget beside an effort", `reasoning { budget_tokens: 16384 effort: EFFORT_LOW }`, `reasoning { effort: EFFORT_LOW }`, ReasoningBudget},
		{"less than the most", `reasoning { effort: EFFORT_XHIGH }`, `reasoning { effort: EFFORT_HIGH }`, ReasoningXHigh},
		{"effort as a budget", `reasoning { effort: EFFORT_XHIGH include_thinking: true }`, `reasoning { budget_tokens: 32768 include_thinking: true }`, ReasoningEffort},
		{"effort within a short answer", `reasoning { effort: EFFORT_HIGH } sampling { max_output_tokens: 8000 }`, `reasoning { budget_tokens: 6000 } sampling { max_output_tokens: 8000 }`, ReasoningEffort},
		{"effort where no budget is", `reasoning { effort: EFFORT_HIGH }`, `reasoning { effort: EFFORT_HIGH }`, ReasoningEffort | ReasoningBudget},
		{"time to keep", `messages { parts { cache_point { ttl: "1h" } } }`, `messages { parts { cache_point { } } }`, CacheTTL},
		{"penalty of nothing", `sampling { presence_penalty: 0 candidate_count: 1 }`, `sampling { }`, PresencePenalty | Candidates},
		{"no tools for one who has none", `tools { name: "f" } tool_choice { mode: MODE_NONE }`, ``, Tools},
		{"nothing of content", `tools { name: "f" } messages { parts { image { } } }`, `tools { name: "f" } messages { parts { image { } } }`, Tools | Images},
	} {
		if got, want := Strip(parse(t, c.in), c.lacks), parse(t, c.left); !proto.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

func large(t testing.TB) *llmv1.Conversation {
	text := `tools { name: "f" strict: true } sampling { temperature: 0.5 stop: "a" max_output_tokens: 100 } reasoning { effort: EFFORT_LOW } `
	for range 20 {
		text += plain + `messages { role: ROLE_ASSISTANT parts { tool_call { name: "f" } } } messages { role: ROLE_TOOL parts { tool_result { parts { text { text: "x" } } } } }`
	}
	return parse(t, text)
}

func TestLookingDoesNotAllocate(t *testing.T) {
	c := large(t)
	if n := testing.AllocsPerRun(100, func() { Of(c) }); n != 0 {
		t.Errorf("Of: %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { Strip(c, Wire("gemini")&^StrictTools) }); n != 0 {
		t.Errorf("Strip: %v allocations", n)
	}
}

func BenchmarkOf(b *testing.B) {
	c := large(b)
	b.ReportAllocs()
	for b.Loop() {
		Of(c)
	}
}

func BenchmarkStripNothing(b *testing.B) {
	c := large(b)
	b.ReportAllocs()
	for b.Loop() {
		Strip(c, Wire("gemini")&^StrictTools)
	}
}

package anthropic

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func blob(media string, data ...byte) *llmv1.Blob {
	return &llmv1.Blob{Source: &llmv1.Blob_Data{Data: data}, MediaType: media}
}

func image(b *llmv1.Blob) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: b}}}
}

func document(title string, b *llmv1.Blob) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Document{Document: &llmv1.Document{Blob: b, Title: title}}}
}

func result(id string, failed bool, parts ...*llmv1.Part) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_ToolResult{ToolResult: &llmv1.ToolResult{ToolCallId: id, IsError: failed, Parts: parts}}}
}

func TestParseRequest(t *testing.T) {
	r, c, err := ParseRequest(golden(t, "requests/full.json"))
	if err != nil {
		t.Fatal(err)
	}
	looking := newText("Looking.")
	looking.GetText().Citations = []*llmv1.Citation{{Title: "D"}}
	want := &llmv1.Conversation{
		Model: "claude-sonnet-4-5",
		Messages: []*llmv1.Message{
			{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{newText("Be brief."), newText("Be kind."), newCachePoint("")}},
			{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{newText("What is \"this\"?\n")}},
			{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
				newThinking("let me see", "EqQB"), newRedacted("b3BhcXVl"), looking,
				newToolCall("toolu_1", "find", `{"q" : "Z\u00fcrich", "n":1.50e+1}`), newToolCall("toolu_2", "find", `{}`), newCachePoint(""),
			}},
			{Role: llmv1.Role_ROLE_TOOL, Parts: []*llmv1.Part{
				result("toolu_1", false, newText("found")), result("toolu_2", true, newText("broken"), image(blob("image/png", 1, 2, 3))),
			}},
			{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
				newText("See:"), newCachePoint("1h"),
				image(&llmv1.Blob{Source: &llmv1.Blob_Uri{Uri: "https://example.com/a.png"}}),
				document("Report", blob("application/pdf", 1, 2, 3, 4)),
				newText("Old."), newText("Notes"), newText("grass is green"), newText("part one"),
				newText("https://a/b"), newText("T"), newText("passage"), newCachePoint(""),
			}},
		},
		Tools:      []*llmv1.Tool{{Name: "find", Description: "d", Parameters: `{"type": "object"}`, Strict: true}},
		ToolChoice: &llmv1.ToolChoice{Mode: llmv1.ToolChoice_MODE_NAMED, Name: "find", DisableParallel: true},
		ResponseFormat: &llmv1.ResponseFormat{Format: &llmv1.ResponseFormat_JsonSchema_{JsonSchema: &llmv1.ResponseFormat_JsonSchema{
			Name: "output", Schema: `{"type": "object", "additionalProperties": false}`, Strict: true,
		}}},
		Sampling: &llmv1.Sampling{
			Temperature: proto.Float64(1), TopP: proto.Float64(0.9), TopK: proto.Int32(5), MaxOutputTokens: proto.Int64(4000),
			Stop: []string{"END", "STOP"},
		},
		Reasoning: &llmv1.Reasoning{Effort: llmv1.Reasoning_EFFORT_HIGH, BudgetTokens: proto.Int64(2000), IncludeThinking: true},
		EndUser:   "u",
	}
	if !proto.Equal(c, want) {
		t.Errorf("got  %v\nwant %v", c, want)
	}
	if !r.Stream() || r.Dialect() != "anthropic" {
		t.Errorf("stream %v, dialect %s", r.Stream(), r.Dialect())
	}
	unexpressed := []string{
		"x_unknown", "messages[2].content[5].citations", "messages[2].content[8]", "messages[2].content[9].source",
		"tools[1]", "metadata.x", "service_tier",
	}
	if got := r.Unexpressed(); !slices.Equal(got, unexpressed) {
		t.Errorf("unexpressed:\ngot  %q\nwant %q", got, unexpressed)
	}
	checkTexts(t, r, c)
}

// checkTexts checks that the noted places are those of conversation.Texts.
func checkTexts(t testing.TB, r *Request, c *llmv1.Conversation) {
	t.Helper()
	texts := conversation.Texts(c)
	if len(texts) != len(r.texts) {
		t.Fatalf("%d places for %d texts", len(r.texts), len(texts))
	}
	for i, want := range texts {
		at := r.texts[i]
		got := string(r.raw[at.Start:at.End])
		if !at.object {
			got = string(jsonscan.AppendUnescaped(nil, []byte(got)))
		}
		if got != *want.Value {
			t.Fatalf("text %d stands at %q, not %q", i, got, *want.Value)
		}
	}
}

func TestParseRequestRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100_000)
	message := func(m string) string { return `{"model":"m","max_tokens":9,"messages":[` + m + `]}` }
	user := message(`{"role":"user","content":"x"}`)
	with := func(member string) string { return user[:len(user)-1] + "," + member + "}" }
	block := func(b string) string { return message(`{"role":"user","content":[` + b + `]}`) }
	const invalid, unsupported = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	tests := []struct {
		name, body, field string
		reason            llmv1.ErrorReason
	}{
		{"empty", ``, "", invalid},
		{"array", `[]`, "", invalid},
		{"cut", user[:len(user)-2], "", invalid},
		{"tail", user + `x`, "", invalid},
		{"deep", `{"x":` + deep, "", invalid},
		{"utf-8", "{\"model\":\"\xff\"}", "", invalid},
		{"no model", `{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}`, "model", invalid},
		{"no messages", `{"model":"m","max_tokens":1}`, "messages", invalid},
		{"empty messages", message(``), "messages", invalid},
		{"no max_tokens", `{"model":"m","messages":[{"role":"user","content":"x"}]}`, "max_tokens", invalid},
		{"max_tokens", strings.Replace(user, "9", "-1", 1), "max_tokens", invalid},
		{"model twice", with(`"model":"n"`), "model", invalid},
		{"messages in another case", with(`"Messages":[]`), "Messages", invalid},
		{"role", message(`{"role":"tool","content":"x"}`), "messages[0].role", invalid},
		{"role missing", message(`{"content":"x"}`), "messages[0].role", invalid},
		{"content missing", message(`{"role":"user"}`), "messages[0].content", invalid},
		{"content number", message(`{"role":"user","content":1}`), "messages[0].content", invalid},
		{"block", block(`1`), "messages[0].content[0]", invalid},
		{"block type", block(`{"text":"x"}`), "messages[0].content[0].type", invalid},
		{"text missing", block(`{"type":"text"}`), "messages[0].content[0].text", invalid},
		{"text number", block(`{"type":"text","text":1}`), "messages[0].content[0].text", invalid},
		{"hidden text", block(`{"type":"image","source":{"type":"url","url":"https://a"},"text":"x"}`), "messages[0].content[0].text", invalid},
		{"source", block(`{"type":"image","source":"x"}`), "messages[0].content[0].source", invalid},
		{"source type", block(`{"type":"image","source":{"type":"text","data":"x"}}`), "messages[0].content[0].source.type", unsupported},
		{"source data", block(`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"!"}}`), "messages[0].content[0].source.data", invalid},
		{"source url", block(`{"type":"image","source":{"type":"url","url":"file:///a"}}`), "messages[0].content[0].source.url", invalid},
		{"tool input", block(`{"type":"tool_use","id":"a","name":"b","input":"{}"}`), "messages[0].content[0].input", invalid},
		{"tool id", block(`{"type":"tool_use","name":"b","input":{}}`), "messages[0].content[0].id", invalid},
		{"result id", block(`{"type":"tool_result","content":"x"}`), "messages[0].content[0].tool_use_id", invalid},
		{"result in a result", block(`{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result","tool_use_id":"b"}]}`), "messages[0].content[0].content[0].type", invalid},
		{"is_error", block(`{"type":"tool_result","tool_use_id":"a","is_error":1}`), "messages[0].content[0].is_error", invalid},
		{"mark", block(`{"type":"text","text":"x","cache_control":{"type":"always"}}`), "messages[0].content[0].cache_control.type", invalid},
		{"mark's time", block(`{"type":"text","text":"x","cache_control":{"type":"ephemeral","ttl":"2h"}}`), "messages[0].content[0].cache_control.ttl", invalid},
		{"system", with(`"system":1`), "system", invalid},
		{"system block", with(`"system":[{"type":"image","source":{"type":"url","url":"https://a"}}]`), "system[0].type", invalid},
		{"temperature", with(`"temperature":1.1`), "temperature", invalid},
		{"top_k", with(`"top_k":1.5`), "top_k", invalid},
		{"stops", with(`"stop_sequences":"x"`), "stop_sequences", invalid},
		{"stream", with(`"stream":"yes"`), "stream", invalid},
		{"thinking", with(`"thinking":{"type":"on"}`), "thinking.type", invalid},
		{"budget", with(`"thinking":{"type":"enabled"}`), "thinking.budget_tokens", invalid},
		{"display", with(`"thinking":{"type":"adaptive","display":"all"}`), "thinking.display", invalid},
		{"effort", with(`"output_config":{"effort":"huge"}`), "output_config.effort", invalid},
		{"format", with(`"output_format":{"type":"xml"}`), "output_format.type", unsupported},
		{"format twice", with(`"output_format":{"type":"json_schema","schema":{}},"output_config":{"format":{"type":"json_schema","schema":{}}}`), "output_config.format", invalid},
		{"tool", with(`"tools":[{"input_schema":{}}]`), "tools[0].name", invalid},
		{"tool schema", with(`"tools":[{"name":"a"}]`), "tools[0].input_schema", invalid},
		{"choice", with(`"tools":[{"name":"a","input_schema":{}}],"tool_choice":{"type":"all"}`), "tool_choice.type", invalid},
		{"choice name", with(`"tools":[{"name":"a","input_schema":{}}],"tool_choice":{"type":"tool"}`), "tool_choice.name", invalid},
		{"choice without tools", with(`"tool_choice":{"type":"any"}`), "tool_choice", invalid},
		{"user", with(`"metadata":{"user_id":1}`), "metadata.user_id", invalid},
		{"old API", with(`"prompt":"x"`), "prompt", unsupported},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := ParseRequest([]byte(tt.body))
			e := errs.From(err)
			if e == nil || e.Reason != tt.reason || e.Field != tt.field {
				t.Fatalf("got %+v, want %v at %q", e, tt.reason, tt.field)
			}
		})
	}
}

func TestParseReasoning(t *testing.T) {
	for members, want := range map[string]*llmv1.Reasoning{
		`"thinking":{"type":"adaptive"}`: {IncludeThinking: true},
		`"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"max"}`: {Effort: llmv1.Reasoning_EFFORT_XHIGH},
		`"thinking":{"type":"disabled"}`:   {Effort: llmv1.Reasoning_EFFORT_NONE},
		`"output_config":{"effort":"low"}`: {Effort: llmv1.Reasoning_EFFORT_LOW},
		`"thinking":null`:                  nil,
	} {
		_, c, err := ParseRequest([]byte(`{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],` + members + `}`))
		if err != nil || !proto.Equal(c.GetReasoning(), want) {
			t.Errorf("%s: got %v, %v", members, c.GetReasoning(), err)
		}
	}
}

func sameJSON(t testing.TB, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

// A request that nobody changes leaves as it came; one in canonical form says
// the same again, as far as that form goes.
func TestRequestRoundTrip(t *testing.T) {
	for _, name := range []string{"full", "plain", "expressible"} {
		raw := golden(t, "requests/"+name+".json")
		r, c, err := ParseRequest(raw)
		if err != nil {
			t.Fatal(err)
		}
		checkTexts(t, r, c)
		ask := &provider.Request{Conversation: c, Native: r, Model: c.GetModel()}
		out, err := r.Render(ask, r.Stream())
		if err != nil || string(out) != string(raw) {
			t.Errorf("%s: rendered %s, %v", name, out, err)
		}
		encoded, err := EncodeConversation(ask, false)
		if err != nil {
			t.Fatal(err)
		}
		if name == "expressible" && !sameJSON(t, encoded, raw) {
			t.Errorf("%s:\ngot  %s\nwant %s", name, encoded, raw)
		}
		_, again, err := ParseRequest(encoded)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := EncodeConversation(&provider.Request{Conversation: again, Model: c.GetModel()}, false)
		if err != nil || string(twice) != string(encoded) {
			t.Errorf("%s: the second time\ngot  %s\nwant %s", name, twice, encoded)
		}
	}
}

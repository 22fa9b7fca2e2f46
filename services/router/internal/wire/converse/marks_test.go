package converse

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

const (
	claude    = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
	novaModel = "amazon.nova-pro-v1:0"
)

var everywhere = conversation.CachePoints{Tools: true, Instructions: true, Turns: true}

// Cache points are put in where each family takes them, and nothing else
// changes. In the bodies ¹ stands for one that Claude gets, ² for one that Nova
// gets, ³ for one that both get.
func TestMarks(t *testing.T) {
	const (
		user  = `{"role":"user","content":[{"text":"q"}]}`
		next  = `,{"role":"user", "content": [{"text":"next"} ] } ] }`
		call  = `{"toolUse":{"toolUseId":"c","name":"f","input":{"a": 1}}}`
		spec  = `{"toolSpec":{"name":"f","inputSchema":{"json":{}}}}`
		think = `{"reasoningContent":{"reasoningText":{"text":"t","signature":"s"}}}`
		file  = `{"document":{"format":"md","name":"n","source":{"bytes":"YQ=="}}}`
	)
	for name, body := range map[string]string{
		"nothing to mark":          `{"messages":[` + user + `]}`,
		"instructions":             `{"system":[{"text":"a"}, {"text":"b"}³ ],"messages":[` + user + `]}`,
		"guarded instructions":     `{"system":[{"text":"a"}²,{"guardContent":{"text":{"text":"b"}}}¹],"messages":[` + user + `]}`,
		"blank instructions":       `{"system":[{"text":" \n"}],"messages":[` + user + `]}`,
		"no instructions":          `{"system":null,"messages":[` + user + `]}`,
		"tools":                    `{"messages":[` + user + `],"toolConfig":{"tools":[` + spec + `,` + spec + `¹, {"systemTool":{"name":"x"}} ]}}`,
		"turns":                    `{"messages":[` + user + `,{"content":[{"text":"a"}³],"role":"assistant"}` + next,
		"no turn is settled":       `{"messages":[` + user + `,{"role":"assistant","content":[{"text":"The answer is"}]}]}`,
		"the answer has begun":     `{"messages":[` + user + `,{"role":"assistant","content":[{"text":"a"}³]},` + user + `,{"role":"assistant","content":[{"text":"b"}]}]}`,
		"calls and their results":  `{"messages":[` + user + `,{"role":"assistant","content":[{"text":"a"}²,` + call + `¹]},{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"r"}]}}]}]}`,
		"not behind thoughts":      `{"messages":[` + user + `,{"role":"assistant","content":[{"text":"a"}³,` + think + `]}` + next,
		"nothing but thoughts":     `{"messages":[{"role":"user","content":[{"text":"q"}³]},{"role":"assistant","content":[` + think + `]}` + next,
		"not behind a file":        `{"messages":[{"role":"user","content":[{"text":"q"}³,` + file + `]},{"role":"assistant","content":[` + think + `]}` + next,
		"behind a PDF":             `{"messages":[{"role":"user","content":[{"text":"q"}²,{"document":{"format":"pdf","name":"n","source":{"bytes":"YQ=="}}}¹]},{"role":"assistant","content":[` + think + `]}` + next,
		"results that are JSON":    `{"messages":[{"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"json":1}]}}¹]},{"role":"assistant","content":[` + think + `]}` + next,
		"a blank text":             `{"messages":[` + user + `,{"role":"assistant","content":[{"text":"a"}³,{"text":" "}]}` + next,
		"placed by the client":     `{"system":[{"text":"a"},{"cachePoint":{"type":"default"}}],"messages":[` + user + `]}`,
		"placed behind the tools":  `{"system":[{"text":"a"}],"toolConfig":{"tools":[` + spec + `,{"cachePoint":{"type":"default"}}]},"messages":[` + user + `]}`,
		"instructions in messages": `{"messages":[{"role":"system","content":[{"text":"s"}³]},` + user + `],"system":[{"text":"first"}]}`,
		"instructions come later":  `{"messages":[` + user + `,{"role":"system","content":[{"text":"s"}]}],"system":[{"text":"first"}³]}`,
		"one place for two marks":  `{"messages":[{"role":"system","content":[{"text":"s"}³]},{"role":"assistant","content":[` + think + `]}` + next,
	} {
		for model, gets := range map[string]string{claude: "¹³", novaModel: "²³"} {
			plain := strings.NewReplacer("¹", "", "²", "", "³", "").Replace(body)
			want := body
			for _, sign := range []string{"¹", "²", "³"} {
				point := ""
				if strings.Contains(gets, sign) {
					point = `,{"cachePoint":{"type":"default"}}`
				}
				want = strings.ReplaceAll(want, sign, point)
			}
			r, c := parse(t, plain)
			at := conversation.CachePointsOf(c, func(*llmv1.Conversation) int64 { return 5000 })
			out, err := r.Render(&provider.Request{Conversation: c, Model: model, CachePoints: at}, false)
			if err != nil || !json.Valid(out) || string(out) != want {
				t.Errorf("%s for %s: %v\ngot  %s\nwant %s", name, model, err, out, want)
			}
		}
	}
}

func TestMarksBehindRouteInstructions(t *testing.T) {
	const m = `"messages":[{"role":"user","content":[{"text":"hi"}]}]`
	const point = `{"cachePoint":{"type":"default"}}`
	for body, want := range map[string]string{
		`{` + m + `}`:                            `{"system":[{"text":"I"},` + point + `],` + m + `}`,
		`{` + m + `,"system":null}`:              `{` + m + `,"system":[{"text":"I"},` + point + `]}`,
		`{` + m + `,"system":[ ]}`:               `{` + m + `,"system":[{"text":"I"},` + point + ` ]}`,
		`{` + m + `,"system":[{"text":"S"}]}`:    `{` + m + `,"system":[{"text":"I"},{"text":"S"},` + point + `]}`,
		`{` + m + `,"system":[{"text":" "}]}`:    `{` + m + `,"system":[{"text":"I"},` + point + `,{"text":" "}]}`,
		`{` + m + `,"system":[{"text":"S\n"} ]}`: `{` + m + `,"system":[{"text":"I"},{"text":"S\n"},` + point + ` ]}`,
	} {
		r, c := parse(t, body)
		out, err := r.Render(&provider.Request{Conversation: c, Model: claude, Instructions: "I", CachePoints: everywhere}, false)
		if err != nil || string(out) != want {
			t.Errorf("%v\ngot  %s\nwant %s", err, out, want)
		}
	}
}

// A body with marks is the client's with points added, and says the same. No
// point stands where Bedrock refuses it.
func TestMarksProperty(t *testing.T) {
	blocks := rapid.SliceOfN(rapid.SampledFrom([]string{
		`{"text": "a"}`, `{"text": " \n"}`, `{"toolUse": {"toolUseId": "c", "name": "f", "input": {}}}`,
		`{"reasoningContent": {"redactedContent": "YQ=="}}`, `{"document": {"format": "pdf", "name": "n", "source": {"bytes": "YQ=="}}}`,
		`{"image": {"format": "png", "source": {"bytes": "YQ=="}}}`, `{"toolResult": {"toolUseId": "c", "content": [{"text": "r"}]}}`,
	}), 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		var messages []string
		for range rapid.IntRange(1, 6).Draw(t, "messages") {
			role := rapid.SampledFrom([]string{"user", "assistant"}).Draw(t, "role")
			messages = append(messages, `{"content": [`+strings.Join(blocks.Draw(t, "content"), " , ")+` ], "role": "`+role+`"}`)
		}
		body := `{"messages": [` + strings.Join(messages, " , ") + ` ], "toolConfig": {"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}} ]}, "system": [{"text": "s"} ]}`
		model := rapid.SampledFrom([]string{claude, novaModel}).Draw(t, "model")
		r, c, err := ParseRequest([]byte(body), "m")
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Render(&provider.Request{Conversation: c, Model: model, CachePoints: everywhere}, false)
		if err != nil || strings.ReplaceAll(string(out), pointBlock, "") != body || strings.Count(string(out), pointBlock) > 3 {
			t.Fatalf("%v\nof  %s\ngot %s", err, body, out)
		}
		_, again, err := ParseRequest(out, "m")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if refused := misplaced(again, model); refused != "" {
			t.Fatalf("%s: %s", refused, out)
		}
		for _, m := range again.GetMessages() {
			var kept []*llmv1.Part
			for _, p := range m.GetParts() {
				if p.GetCachePoint() == nil {
					kept = append(kept, p)
				}
			}
			m.Parts = kept
		}
		if !proto.Equal(again, c) {
			t.Fatalf("reads as %v, not as %v", again, c)
		}
	})
}

// misplaced says which mark Bedrock would refuse.
func misplaced(c *llmv1.Conversation, model string) string {
	for i, m := range c.GetMessages() {
		for j, p := range m.GetParts() {
			if p.GetCachePoint() == nil || i == 0 && j == 0 && !strings.Contains(model, "nova") {
				continue // that behind the tools is read as the first
			}
			switch {
			case j == 0:
				return "nothing before it"
			case m.GetParts()[j-1].GetThinking() != nil:
				return "behind thoughts"
			case m.GetParts()[j-1].GetText() == nil && strings.Contains(model, "nova"):
				return "Nova takes it behind texts only"
			}
		}
	}
	return ""
}

// Marks of the canonical form are moved to where the family takes them.
func TestMarksAreEncodedWhereTheyAreTaken(t *testing.T) {
	for _, tt := range []struct{ said, claude, nova string }{
		{`parts { cache_point {} }`, ``, ``},
		{`parts { text { text: "a" } } parts { cache_point {} }`, `text point`, `text point`},
		{`parts { text { text: "a" } } parts { text {} } parts { cache_point {} } parts { cache_point {} }`, `text point`, `text point`},
		{`parts { text { text: "a" } } parts { thinking { text: "t" signature: "s" } } parts { cache_point {} }`, `text point reasoningContent`, `text point reasoningContent`},
		{`parts { thinking { text: "t" signature: "s" } } parts { cache_point {} }`, `reasoningContent`, `reasoningContent`},
		{`parts { text { text: "a" } } parts { tool_call { id: "c" name: "f" } } parts { cache_point {} }`, `text toolUse point`, `text point toolUse`},
		{`parts { text { text: "a" } } parts { document { blob { data: "a" media_type: "text/markdown" } } } parts { cache_point {} }`, `text point document`, `text point document`},
		{`parts { text { text: "a" } } parts { document { blob { data: "a" media_type: "application/pdf" } } } parts { cache_point {} }`, `text document point`, `text point document`},
	} {
		for model, want := range map[string]string{claude: tt.claude, novaModel: tt.nova} {
			c := proto3(t, `messages { role: ROLE_USER parts { text { text: "q" } } } messages { role: ROLE_ASSISTANT `+tt.said+` }`)
			out, err := EncodeConversation(&provider.Request{Conversation: c, Model: model}, false)
			if err != nil {
				t.Fatal(err)
			}
			if got := kinds(t, out); got != want {
				t.Errorf("%s for %s: %s, want %s", tt.said, model, got, want)
			}
		}
	}
}

// kinds are those of the blocks of the second message.
func kinds(t *testing.T, body []byte) string {
	t.Helper()
	var r struct {
		Messages []struct{ Content []map[string]any }
	}
	if err := json.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	var out []string
	if len(r.Messages) > 1 {
		for _, b := range r.Messages[1].Content {
			for kind := range b {
				out = append(out, strings.Replace(kind, "cachePoint", "point", 1))
			}
		}
	}
	return strings.Join(out, " ")
}

func TestNovaHasNoMarkBehindTools(t *testing.T) {
	c := proto3(t, `tools { name: "f" parameters: "{}" } messages { role: ROLE_USER parts { cache_point {} } parts { text { text: "q" } } }`)
	for model, want := range map[string]bool{claude: true, novaModel: false} {
		out, err := EncodeConversation(&provider.Request{Conversation: c, Model: model}, false)
		if err != nil || strings.Contains(string(out), "cachePoint") != want {
			t.Errorf("%s: %v: %s", model, err, out)
		}
	}
}

package anthropic

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

var everywhere = conversation.CachePoints{Tools: true, Instructions: true, Turns: true}

// Marks are written where they belong, and nothing else changes. In the bodies
// « stands for what a mark adds before it, » for what it adds behind.
func TestMarks(t *testing.T) {
	const (
		head = `{"model":"m","max_tokens":9,`
		user = `{"role":"user","content":"q"}`
		tail = `,{"role":"user", "content": "next"} ] }`
		call = `{"type":"tool_use","id":"c","name":"f","input":{"a": 1}`
	)
	for _, tt := range []struct {
		name, body string
		to         provider.Request // Defaults, Revisions and so on
	}{
		{"nothing to mark", head + `"messages":[` + user + `]}`, provider.Request{}},
		{"a system text", head + `"system": «"rules\n"» ,"messages":[` + user + `]}`, provider.Request{}},
		{"system blocks", head + `"system":[{"type":"text","text":"a"},{"type":"text","text":"b" ‹},{"type":"text","text":" \n"}],"messages":[` + user + `]}`, provider.Request{}},
		{"blank instructions", head + `"system":" \n ","messages":[` + user + `]}`, provider.Request{}},
		{
			"tools",
			head + `"messages":[` + user + `],"tools":[{"name":"a","input_schema":{}},{"input_schema":{"cache_control":null},"name":"b"‹},` +
				`{"name":"c","input_schema":{},"defer_loading":true},{"type":"web_search_20250305","name":"web_search"}]}`,
			provider.Request{},
		},
		{"turns in any order", head + `"messages":[ ` + user + `,{"content":«"answer"»,"role":"assistant"}` + tail, provider.Request{}},
		{"no turn is settled", head + `"messages":[` + user + `,{"role":"assistant","content":"The answer is"}]}`, provider.Request{}},
		{
			"the answer has begun",
			head + `"messages":[` + user + `,{"role":"assistant","content":«"one"»},` + user + `,{"role":"assistant","content":"The answer is"}]}`,
			provider.Request{},
		},
		{
			"thoughts are never marked",
			head + `"messages":[` + user + `,{"role":"assistant","content":[{"type":"text","text":"a"‹},{"type":"redacted_thinking","data":"x"},` +
				`{"type":"thinking","thinking":"t","signature":"s"}]}` + tail,
			provider.Request{},
		},
		{
			"nothing but thoughts",
			head + `"messages":[{"role":"user","content":«"q"»},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"}]}` + tail,
			provider.Request{},
		},
		{
			"blocks of the provider's own, and members",
			head + `"messages":[` + user + `,{"role":"assistant","content":[` + call + `‹},{"type":"server_tool_use","id":"x"},{"type":"text","text":"a","new":1}]}` + tail,
			provider.Request{},
		},
		{
			"results of tools settle nothing",
			head + `"messages":[` + user + `,{"role":"assistant","content":[` + call + `‹}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r"}]}]}]}`,
			provider.Request{},
		},
		{
			"a null in the mark's place",
			head + `"system":[{"type":"text","cache_control": ›null,"text":"a"}],"tools":[{"cache_control":›null,"name":"a","input_schema":{}}],"messages":[` + user +
				`,{"role":"assistant","content":[` + call + `‹}]},{"role":"user","content":[{"type":"tool_result","cache_control":null,"tool_use_id":"c"}]}]}`,
			provider.Request{},
		},
		{
			"a null further in",
			head + `"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r","cache_control":null}]‹}]},` +
				`{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"}]}` + tail,
			provider.Request{},
		},
		{"instructions among the messages", head + `"messages":[{"role":"system","content":«"s"»},` + user + `],"system":"first"}`, provider.Request{}},
		{
			"instructions that come later", head + `"messages":[` + user + `,{"role":"system","content":"s"}],"system":«"first"»}`, provider.Request{},
		},
		{
			"one place for two marks",
			head + `"messages":[{"role":"system","content":«"s"»},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"}]}` + tail,
			provider.Request{},
		},
		{
			"more members than are noted",
			head + strange(70) + `"messages":[` + user + `],"tools":[{"name":"a","input_schema":{},"defer_loading":true}]}`,
			provider.Request{},
		},
		{"masked away", head + `"system":"rules","messages":[` + user + `]}`, provider.Request{Revisions: map[int]string{0: " "}}},
		{
			"placed by the client on the request",
			head + `"cache_control":{"type":"ephemeral"},"system":"rules","messages":[` + user + `]}`,
			provider.Request{},
		},
		{
			"placed on a tool, which no other format would hear of",
			head + `"tools":[{"name":"b","input_schema":{},"cache_control":{"type":"ephemeral"}}],"messages":[` + user + `,{"role":"assistant","content":"a"}` + tail,
			provider.Request{},
		},
		{
			"placed on a result's text",
			head + `"system":"rules","messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"r","cache_control":{"type":"ephemeral"}}]}]}]}`,
			provider.Request{},
		},
		{
			"placed on a block of the provider's own",
			head + `"system":"rules","messages":[{"role":"user","content":[{"type":"container_upload","cache_control":{"type":"ephemeral"}}]}]}`,
			provider.Request{},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			const mark = `,"cache_control":{"type":"ephemeral"}`
			body := strings.NewReplacer("«", "", "»", "", "‹", "", "›", "").Replace(tt.body)
			want := strings.NewReplacer("«", `[{"type":"text","text":`, "»", mark+"}]", "‹", mark, "›null", `{"type":"ephemeral"}`).Replace(tt.body)
			for i, text := range tt.to.Revisions {
				want = strings.Replace(want, []string{`"rules"`}[i], `"`+text+`"`, 1)
			}
			r, c, err := ParseRequest([]byte(body))
			if err != nil {
				t.Fatal(err)
			}
			tt.to.Conversation, tt.to.CachePoints = c, everywhere
			out, err := r.Render(&tt.to, false)
			if err != nil || !json.Valid(out) || string(out) != want {
				t.Errorf("%v\ngot  %s\nwant %s", err, out, want)
			}
		})
	}
}

// strange are members that nobody knows.
func strange(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"x%d":1,`, i)
	}
	return b.String()
}

// The route's instructions stand before the client's, so the mark is behind these.
func TestMarksBehindRouteInstructions(t *testing.T) {
	const head = `{"max_tokens":9,"model":"m","messages":[{"role":"user","content":"q"}]`
	const block, mark = `{"type":"text","text":"I"`, `,"cache_control":{"type":"ephemeral"}`
	for system, want := range map[string]string{
		``:               `{"system":[` + block + mark + `}],` + head[1:] + `}`,
		`,"system":null`: head + `,"system":[` + block + mark + `}]}`,
		`,"system":""`:   head + `,"system":[` + block + mark + `}]}`,
		`,"system":[]`:   head + `,"system":[` + block + mark + `}]}`,
		`,"system":"S"`:  head + `,"system":[` + block + `},{"type":"text","text":"S"` + mark + `}]}`,
		`,"system":[{"type":"text","text":"S"} ]`: head + `,"system":[` + block + `},{"type":"text","text":"S"` + mark + `} ]}`,
		`,"cache_control":{"type":"ephemeral"}`:   `{"system":"I",` + head[1:] + `,"cache_control":{"type":"ephemeral"}}`,
		`,"system":[{"type":"text","text":" "}]`:  head + `,"system":[` + block + mark + `},{"type":"text","text":" "}]}`,
	} {
		r, c, err := ParseRequest([]byte(head + system + `}`))
		if err != nil {
			t.Fatal(err)
		}
		out, err := r.Render(&provider.Request{Conversation: c, Instructions: "I", CachePoints: everywhere}, false)
		if err != nil || string(out) != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", system, err, out, want)
		}
	}
}

// An InvokeModel body that goes to the Messages API, and one that stays one.
func TestMarksInEnvelopes(t *testing.T) {
	const body = `{"anthropic_version":"bedrock-2023-05-31","max_tokens":9,"messages":[{"role":"user","content":"q"}],"system":"S"}`
	const marked = `"system":[{"type":"text","text":"S","cache_control":{"type":"ephemeral"}}]`
	r, c, err := ParseInvoke([]byte(body), "m", false)
	if err != nil {
		t.Fatal(err)
	}
	to := &provider.Request{Conversation: c, Model: "up", CachePoints: everywhere}
	if out, err := r.RenderInvoke(to); err != nil || string(out) != strings.Replace(body, `"system":"S"`, marked, 1) {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := r.Render(to, false); err != nil || string(out) != `{"model":"up","max_tokens":9,"messages":[{"role":"user","content":"q"}],`+marked+`}` {
		t.Errorf("%v: %s", err, out)
	}
}

// unmarked takes the marks out of a conversation.
func unmarked(c *llmv1.Conversation) (out *llmv1.Conversation, marks int) {
	out = proto.CloneOf(c)
	for _, m := range out.GetMessages() {
		var kept []*llmv1.Part
		for _, p := range m.GetParts() {
			if p.GetCachePoint() == nil {
				kept = append(kept, p)
			}
		}
		marks += len(m.GetParts()) - len(kept)
		m.Parts = kept
	}
	return out, marks
}

// longBody is a conversation of many turns, some forty kilobytes.
func longBody() []byte {
	rules := strings.Repeat("Be kind, and answer in whole sentences. ", 300)
	body := `{"model":"m","max_tokens":9,"system":"` + rules + `","tools":[{"name":"f","input_schema":{"type":"object"}}],"messages":[`
	for range 20 {
		body += `{"role":"user","content":"` + rules[:700] + `"},{"role":"assistant","content":[{"type":"text","text":"` + rules[:700] + `"}]},`
	}
	return []byte(body + `{"role":"user","content":"next"}]}`)
}

// Marks cost their bytes, and nothing else.
func TestMarksAllocateNothing(t *testing.T) {
	r, c, err := ParseRequest(longBody())
	if err != nil {
		t.Fatal(err)
	}
	render := func(at conversation.CachePoints) float64 {
		to := &provider.Request{Conversation: c, Model: "up", CachePoints: at}
		return testing.AllocsPerRun(100, func() { _, _ = r.Render(to, true) })
	}
	if without, with := render(conversation.CachePoints{}), render(everywhere); with > without {
		t.Errorf("%v allocations, and %v without marks", with, without)
	}
}

func BenchmarkMarks(b *testing.B) {
	raw := longBody()
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(len(raw)))
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = ParseRequest(raw)
		}
	})
	r, c, err := ParseRequest(raw)
	if err != nil {
		b.Fatal(err)
	}
	for name, at := range map[string]conversation.CachePoints{"render without": {}, "render with": everywhere} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			to := &provider.Request{Conversation: c, Model: "up", CachePoints: at}
			for b.Loop() {
				_, _ = r.Render(to, true)
			}
		})
	}
	b.Run("decide", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			conversation.CachePointsOf(c, func(part *llmv1.Conversation) int64 { return tokens.Conversation("claude-sonnet-4-5", part) })
		}
	})
}

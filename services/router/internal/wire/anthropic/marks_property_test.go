package anthropic

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// drawBody writes a request as a client might. Arrays end in a space, so that
// what marks add can be told from what stood there.
func drawBody(t *rapid.T) string {
	list := func(name string, least, most int, element func() string) string {
		var all []string
		for range rapid.IntRange(least, most).Draw(t, name) {
			all = append(all, element())
		}
		return "[" + strings.Join(all, " , ") + " ]"
	}
	text := rapid.SampledFrom([]string{`"a"`, `"b \"quoted\""`, `"c\n"`, `" "`, `"\n\t"`, `"ümlaut"`})
	block := func(kinds ...string) func() string {
		return func() string {
			b := rapid.SampledFrom(kinds).Draw(t, "kind")
			b = strings.ReplaceAll(b, "TEXT", text.Draw(t, "text"))
			if strings.Contains(b, `"type": "thinking"`) || strings.Contains(b, "redacted") {
				return b
			}
			return b[:1] + rapid.SampledFrom([]string{"", "", "", `"cache_control": null , `, `"novel": 1 , `}).Draw(t, "first") + b[1:]
		}
	}
	const plain = `{ "type": "text" , "text": TEXT }`
	roles := map[string]func() string{
		"user": block(plain, `{"type": "image", "source": {"type": "url", "url": "https://x/y"}}`, `{"type": "container_upload"}`,
			`{"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "r", "cache_control": null} ] }`),
		"assistant": block(plain, `{"type": "tool_use", "id": "c", "name": "f", "input": {"type": "text"}}`, `{"type": "thinking", "thinking": "t", "signature": "s"}`,
			`{"type": "redacted_thinking", "data": "d"}`, `{"type": "server_tool_use"}`),
	}
	message := func() string {
		role := rapid.SampledFrom([]string{"user", "assistant"}).Draw(t, "role")
		said := text.Draw(t, "said")
		if rapid.Bool().Draw(t, "blocks") {
			said = list("content", 0, 3, roles[role])
		}
		return `{"content": ` + said + ` , "role": "` + role + `"}`
	}
	members := []string{
		`"model": "m"`, `"max_tokens": 9`,
		`"messages": ` + list("messages", 1, 6, message),
		`"tools": ` + list("tools", 0, 3, block(`{"name": "f", "input_schema": {"cache_control": null}}`, `{"type": "custom", "input_schema": {}, "name": "g"}`, `{"type": "web_search_20250305"}`)),
	}
	switch rapid.IntRange(0, 3).Draw(t, "system") {
	case 1:
		members = append(members, `"system": `+text.Draw(t, "instructions"))
	case 2:
		members = append(members, `"system": `+list("instructions", 0, 3, block(plain)))
	case 3:
		members = append(members, `"system": null`)
	}
	return "{" + strings.Join(rapid.Permutation(members).Draw(t, "order"), " , ") + "}"
}

// A body with marks says what it said without them, in the same bytes, and the
// marks stand where a reading of the whole tree puts them.
func TestMarksProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := drawBody(t)
		r, c, err := ParseRequest([]byte(body))
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		at := conversation.CachePoints{
			Tools: rapid.Bool().Draw(t, "behind tools"), Instructions: rapid.Bool().Draw(t, "behind instructions"), Turns: rapid.Bool().Draw(t, "behind turns"),
		}
		out, err := r.Render(&provider.Request{Conversation: c, CachePoints: at}, false)
		if err != nil {
			t.Fatal(err)
		}
		var got, want map[string]any
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		_ = json.Unmarshal([]byte(body), &want)
		if n := markTree(want, at); !reflect.DeepEqual(got, want) {
			t.Fatalf("%d marks of %+v\nof  %s\ngot %s", n, at, body, out)
		}
		const mark = `,"cache_control":{"type":"ephemeral"}`
		undo := strings.NewReplacer(`[{"type":"text","text":`, "", mark+"}]", "", mark, "", `{"type":"ephemeral"}`, "null")
		if back := undo.Replace(string(out)); back != body {
			t.Fatalf("other bytes\nof  %s\ngot %s", body, out)
		}
		_, again, err := ParseRequest(out)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if again, _ = unmarked(again); !proto.Equal(again, c) {
			t.Fatalf("reads as %v, not as %v: %s", again, c, out)
		}
	})
}

// markTree sets the marks in a request, the slow way.
func markTree(body map[string]any, at conversation.CachePoints) (marks int) {
	mark := func(b map[string]any) bool {
		b["cache_control"] = map[string]any{"type": "ephemeral"}
		marks++
		return true
	}
	if tools, _ := body["tools"].([]any); at.Tools {
		for i := len(tools) - 1; i >= 0; i-- {
			tool := tools[i].(map[string]any)
			if (tool["type"] == nil || tool["type"] == "custom") && tool["novel"] == nil && mark(tool) {
				break
			}
		}
	}
	last := func(of map[string]any, name string) bool {
		switch said := of[name].(type) {
		case string:
			if strings.TrimSpace(said) != "" {
				block := map[string]any{"type": "text", "text": said}
				of[name] = []any{block}
				return mark(block)
			}
		case []any:
			for i := len(said) - 1; i >= 0; i-- {
				b := said[i].(map[string]any)
				switch text, _ := b["text"].(string); b["type"] {
				case "text":
					if strings.TrimSpace(text) == "" {
						continue
					}
				case "thinking", "redacted_thinking", "server_tool_use", "container_upload":
					continue
				}
				if b["novel"] == nil {
					return mark(b)
				}
			}
		}
		return false
	}
	if at.Instructions {
		last(body, "system")
	}
	messages := telling(body["messages"])
	if !at.Turns {
		return marks
	}
	for i := settled(messages) - 1; i >= 0; i-- {
		if last(messages[i], "content") {
			break
		}
	}
	return marks
}

// telling gives the messages that have something the canonical form can say: of
// others it knows nothing.
func telling(list any) (out []map[string]any) {
	for _, m := range list.([]any) {
		m := m.(map[string]any)
		blocks, ok := m["content"].([]any)
		told := !ok || len(blocks) == 0
		for _, b := range blocks {
			kind := b.(map[string]any)["type"]
			told = told || kind != "server_tool_use" && kind != "container_upload"
		}
		if told {
			out = append(out, m)
		}
	}
	return out
}

// settled is behind the last answer that is not the beginning of one.
func settled(messages []map[string]any) int {
	n := len(messages)
	if n > 0 && messages[n-1]["role"] == "assistant" {
		n--
	}
	for n > 0 && messages[n-1]["role"] != "assistant" {
		n--
	}
	return n
}

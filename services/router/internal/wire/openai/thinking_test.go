package openai

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func signed(text, signature string) *llmv1.Part {
	p := newThinking(text)
	p.GetThinking().Signature = signature
	return p
}

func sealed(data string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Redacted: []byte(data)}}}
}

func signedCall() *llmv1.Part {
	p := newToolCall("c", "f", "{}")
	p.GetToolCall().Signature = "CS=="
	return p
}

// What a provider of another format thinks goes to a client and comes back.
func TestThinkingSurvivesTheClient(t *testing.T) {
	message := &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
		signed("one \"é\"", "S1"), sealed("\x00\xff"), sealed("opaque+/="), signed("two", ""), signed("", "S3"), newText("a"), signedCall(),
	}}
	answer := &llmv1.Completion{Candidates: []*llmv1.Candidate{{
		Message: message, FinishReason: llmv1.FinishReason_FINISH_REASON_PAUSE, StopSequence: "END",
	}}}
	raw := EncodeCompletion(answer, nil)
	again, err := DecodeCompletion(raw)
	if err != nil || !proto.Equal(again.GetCandidates()[0], answer.GetCandidates()[0]) {
		t.Fatalf("got  %v, %v\nwant %v\n%s", again, err, answer, raw)
	}
	for _, want := range []string{`"reasoning_content":"one \"é\"two"`, `"finish_reason":"length"`, `"thought_signature":"CS=="`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in %s", want, raw)
		}
	}
	_, sent, _ := strings.Cut(string(raw), `"message":`)
	sent, _, _ = strings.Cut(sent, `,"logprobs"`)
	r, c, err := ParseRequest([]byte(`{"model":"m","messages":[{"role":"user","content":"q"},` + sent + `]}`))
	if err != nil || !proto.Equal(c.GetMessages()[1], message) {
		t.Fatalf("got  %v, %v\nwant %v", c, err, message)
	}
	if len(r.Unexpressed()) > 0 {
		t.Errorf("unexpressed: %q", r.Unexpressed())
	}
}

// Every place of a text is masked, wherever it stands once more.
func TestThinkingIsMaskedEverywhere(t *testing.T) {
	const twice = `"reasoning_content":"secret one","reasoning":"secret one","reasoning_details":[` +
		`{"type":"reasoning.text","text":"secret ","x":1},{"type":"reasoning.text","text":"one"},{"type":"reasoning.encrypted","data":"d"}]`
	body := `{"model":"m","messages":[{"role":"assistant","content":"c",` + twice + `}]}`
	r, c, err := ParseRequest([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	checkTexts(t, r, c)
	out, err := r.Render(&provider.Request{Conversation: c, Revisions: map[int]string{0: "[masked] "}}, false)
	if got := string(out); err != nil || strings.Contains(got, "secret") || strings.Count(got, `"[masked] one"`) != 2 || !strings.Contains(got, `"text":"one"`) {
		t.Errorf("got %s, %v", got, err)
	}

	a := decoded(t, `{"choices":[{"index":0,"message":{"content":"c",`+twice+`},"finish_reason":"stop"}]}`)
	parts := a.Completion.GetCandidates()[0].GetMessage().GetParts()
	if len(parts) != 4 {
		t.Fatalf("got %v", parts)
	}
	parts[0].GetThinking().Text, parts[1].GetThinking().Text = "[masked] ", "two"
	if got := string(EncodeAnswer(a, nil)); strings.Contains(got, "secret") || strings.Count(got, `"[masked] two"`) != 2 || !strings.Contains(got, `"x":1`) {
		t.Errorf("got %s", got)
	}
}

// Two texts that differ are two parts: neither passes unseen.
func TestThinkingThatDiffers(t *testing.T) {
	const differ = `"reasoning":"plain","reasoning_details":[{"type":"reasoning.summary","summary":"hidden"}]`
	_, c, err := ParseRequest([]byte(`{"model":"m","messages":[{"role":"assistant","content":"c",` + differ + `}]}`))
	if err != nil || len(c.GetMessages()[0].GetParts()) != 3 {
		t.Errorf("got %v, %v", c, err)
	}
	got, _, err := decodeAll(delta(0, differ))
	if want := []string{"start x m", "0.0 begin", "0.0 think plain", "0.0 think hidden"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestDetailWithTwoTexts(t *testing.T) {
	_, c, err := ParseRequest([]byte(`{"model":"m","messages":[{"role":"assistant","content":"c","reasoning_details":[{"summary":"a","text":"b"}]}]}`))
	if parts := c.GetMessages()[0].GetParts(); err != nil || len(parts) != 3 || parts[0].GetThinking().GetText() != "a" || parts[1].GetThinking().GetText() != "b" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestDecodeThinkingChunks(t *testing.T) {
	tests := []struct {
		name   string
		frames []string
		want   []string
	}{
		{
			"signed, sealed, text",
			[]string{
				delta(0, `"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]`),
				delta(0, `"reasoning_details":[{"type":"reasoning.text","text":"b","index":0}],"reasoning_content":"b","reasoning":"b"`),
				delta(0, `"reasoning_details":[{"type":"reasoning.text","signature":"S","index":0}]`),
				delta(0, `"reasoning_details":[{"type":"reasoning.encrypted","data":"D","index":1}]`),
				delta(0, `"content":"t","reasoning":""`), finish(0, "stop"),
			},
			[]string{
				"start x m", "0.0 begin", "0.0 think a", "0.0 think b", "0.0 end (S)", "0.1 begin (D)", "0.1 end", "0.2 text t", "0.2 end", "0 finish STOP",
			},
		},
		{
			"two thoughts, one signature with no text",
			[]string{
				delta(0, `"reasoning_details":[{"text":"a","index":0},{"text":"b","signature":"S1","index":1},{"signature":"S2","index":2}]`), finish(0, "stop"),
			},
			[]string{
				"start x m", "0.0 begin", "0.0 think a", "0.0 end", "0.1 begin", "0.1 think b", "0.1 end (S1)", "0.2 begin", "0.2 end (S2)", "0 finish STOP",
			},
		},
		{
			"thinking behind the content in one delta",
			[]string{delta(0, `"content":"t","reasoning_content":"a"`)},
			[]string{"start x m", "0.0 begin", "0.0 think a", "0.0 end", "0.1 text t"},
		},
		{
			"signatures of calls",
			[]string{
				delta(0, `"tool_calls":[{"index":0,"id":"a","extra_content":{"google":{"thought_signature":"S"}},"function":{"name":"f","arguments":"{}"}}]`),
				delta(0, `"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]`),
				delta(0, `"tool_calls":[{"index":1,"extra_content":{"google":{"thought_signature":"T"}}}]`), finish(0, "tool_calls"),
			},
			[]string{"start x m", "0.0 call a f (S)", "0.0 args {}", "0.1 call b g", "0.1 args {}", "0.0 end", "0.1 end (T)", "0 finish TOOL_CALLS"},
		},
		{
			"stop text and pause",
			[]string{
				`{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop","stop_reason":"E\n"}]}`,
				`{"choices":[{"index":1,"delta":{},"stop_reason":7,"native_finish_reason":"pause_turn","finish_reason":"length"}]}`,
			},
			[]string{"start x m", "0.0 text a", "0.0 end", "0 finish STOP (E\n)", "1 finish PAUSE"},
		},
		{
			"sources of the web",
			[]string{
				`{"id":"x","model":"m","citations":["https://a"],"choices":[{"index":0,"delta":{"content":"a [1]"}}]}`,
				`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"citations":["https://a","https://b"],"search_results":[{"title":"A","url":"https://a"}]}`,
			},
			[]string{"start x m", "0.0 text a [1]", "0.0 end cite", "0 finish STOP"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := decodeAll(tt.frames...)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Fatalf("got  %q, %v\nwant %q", got, err, tt.want)
			}
			foreign := func(c *stream.Chunk) { c.Native, c.Dialect = nil, "" }
			again, _, err := decodeAll(encodeAll(t, false, foreign, tt.frames...)...)
			if err != nil || !slices.Equal(again, tt.want) {
				t.Errorf("written anew: %q, %v\nwant %q", again, err, tt.want)
			}
		})
	}
}

// A provider that lists no thinking is not made to by a mask.
func TestRevisedThinkingKeepsItsForm(t *testing.T) {
	mask := func(c *stream.Chunk) { c.Revised = true }
	if got := strings.Join(encodeAll(t, false, mask, delta(0, `"reasoning":"a"`)), ""); strings.Contains(got, "reasoning_details") {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(encodeAll(t, false, mask, delta(0, `"reasoning_details":[{"text":"a"}]`)), ""); !strings.Contains(got, "reasoning_details") {
		t.Errorf("got %s", got)
	}
}

func TestWebSources(t *testing.T) {
	a := decoded(t, `{"id":"x","citations":["https://a","https://b"],"choices":[{"index":0,"message":{"content":"é [2]"},"finish_reason":"stop"}],
		"search_results":[{"title":"A","url":"https://a","date":null},{"title":"B","url":"https://b"}]}`)
	text := a.Completion.GetCandidates()[0].GetMessage().GetParts()[0].GetText()
	if c := text.GetCitations(); len(c) != 2 || c[1].GetMarker() != "2" || c[1].GetTitle() != "B" || c[1].GetUri() != "https://b" {
		t.Fatalf("got %v", c)
	}
	got := string(EncodeAnswer(a, nil))
	for _, want := range []string{`"search_results":[`, `"start_index":2,"end_index":5,"url":"https://b","title":"B"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	frame := `{"id":"x","citations":["https://a"],"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`
	frames := encodeAll(t, false, nil, frame)
	if len(frames) != 2 || !strings.Contains(frames[0], `"annotations":[{"type":"url_citation"`) || frames[1] != frame {
		t.Errorf("got %q", frames)
	}
}

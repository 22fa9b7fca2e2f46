package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

const fullAnswer = `{"id":"x","object":"chat.completion","created":5,"model":"m","x_top":1,"choices":[
 {"index":0,"message":{"role":"assistant","content":"Hi \"you\"","refusal":null,"reasoning_content":"hm","x_message":2,
  "tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}],"annotations":[]},
  "logprobs":{"content":[{"token":"Hi"}]},"finish_reason":"tool_calls"},
 {"index":1,"message":{"role":"assistant","content":null,"refusal":"no"},"finish_reason":"stop"}],
 "usage":{"prompt_tokens":10,"completion_tokens":7,"total_tokens":17,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":0}}}`

func decoded(t *testing.T, raw string) *provider.Answer {
	t.Helper()
	c, err := DecodeCompletion([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return &provider.Answer{Completion: c, Native: []byte(raw), Dialect: Dialect}
}

func TestDecodeCompletion(t *testing.T) {
	want := &llmv1.Completion{
		Id: "x", Model: "m", CreateTime: &timestamppb.Timestamp{Seconds: 5},
		Candidates: []*llmv1.Candidate{
			{
				FinishReason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS,
				Message: &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{
					newThinking("hm"), newText(`Hi "you"`), newToolCall("c", "f", `{"a":1}`),
				}},
			},
			{
				Index: 1, FinishReason: llmv1.FinishReason_FINISH_REASON_REFUSAL,
				Message: &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{newText("no")}},
			},
		},
		Usage: &llmv1.Usage{
			InputTokens: 5, CacheReadTokens: 4, InputAudioTokens: 1, OutputTokens: 4, ReasoningTokens: 3,
			Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER,
		},
	}
	got := decoded(t, fullAnswer).Completion
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	again, err := DecodeCompletion(EncodeCompletion(got, nil))
	if err != nil || !proto.Equal(again, want) {
		t.Errorf("again %v, %v", again, err)
	}
}

func TestEncodeAnswerKeepsTheProvidersBytes(t *testing.T) {
	if got := string(EncodeAnswer(decoded(t, fullAnswer), nil)); got != fullAnswer {
		t.Errorf("got %s", got)
	}
}

func TestEncodeAnswerFollowsTheCanonicalForm(t *testing.T) {
	a := decoded(t, fullAnswer)
	first := a.Completion.GetCandidates()[0]
	first.GetMessage().GetParts()[1].GetText().Text = "[masked] see [1]\n"
	first.GetMessage().GetParts()[2].GetToolCall().Arguments = `{"a":2}`
	first.GetMessage().GetParts()[1].GetText().Citations = []*llmv1.Citation{{Marker: "1", Title: "T", Document: "collections/c/documents/d"}}
	a.Completion.GetCandidates()[1].FinishReason = llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	got := string(EncodeAnswer(a, nil))
	for _, want := range []string{
		`"x_top":1`, `"x_message":2`, `"content":"[masked] see [1]\n"`, `"arguments":"{\"a\":2}"`, `"logprobs":null`,
		`"finish_reason":"content_filter"`, `"start_index":13,"end_index":16,"url":"collections/c/documents/d","title":"T"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
	if strings.Contains(got, "Hi") || !json.Valid([]byte(got)) {
		t.Errorf("got %s", got)
	}
}

// A native body whose shape is not the canonical one's is not used at all.
func TestEncodeAnswerFallsBack(t *testing.T) {
	secret := func(c *llmv1.Completion) bool { return strings.Contains(string(EncodeCompletion(c, nil)), "Hi") }
	for name, change := range map[string]func(*provider.Answer){
		"part gone":      func(a *provider.Answer) { p := a.Completion.Candidates[0].Message; p.Parts = p.Parts[:1] },
		"candidate gone": func(a *provider.Answer) { a.Completion.Candidates = a.Completion.Candidates[1:] },
		"other index":    func(a *provider.Answer) { a.Completion.Candidates[0].Index = 4 },
		"foreign":        func(a *provider.Answer) { a.Dialect = "anthropic" },
		"broken":         func(a *provider.Answer) { a.Native = a.Native[:40] },
	} {
		a := decoded(t, fullAnswer)
		change(a)
		got := string(EncodeAnswer(a, nil))
		if strings.Contains(got, "x_top") || !secret(a.Completion) && strings.Contains(got, "Hi") || !json.Valid([]byte(got)) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// Text in a form that cannot be checked piece by piece never passes natively.
func TestEncodeAnswerOfParts(t *testing.T) {
	a := decoded(t, `{"choices":[{"index":0,"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hidden"}]},{"type":"text","text":"a"}]},"finish_reason":"stop"}]}`)
	if got := string(EncodeAnswer(a, nil)); strings.Contains(got, "hidden") || !strings.Contains(got, `"content":"a"`) {
		t.Errorf("got %s", got)
	}
}

func TestUsage(t *testing.T) {
	tests := []struct {
		name, in string
		want     *llmv1.Usage
	}{
		{"null", `null`, nil},
		{"empty", `{}`, nil},
		{"zeros", `{"prompt_tokens":0,"completion_tokens":0}`, &llmv1.Usage{}},
		{"audio", `{"prompt_tokens":9,"completion_tokens":9,"prompt_tokens_details":{"audio_tokens":4},"completion_tokens_details":{"audio_tokens":5,"reasoning_tokens":1}}`, &llmv1.Usage{InputTokens: 5, InputAudioTokens: 4, OutputTokens: 3, ReasoningTokens: 1, OutputAudioTokens: 5}},
		{"null details", `{"prompt_tokens":1,"completion_tokens":2,"prompt_tokens_details":null,"completion_tokens_details":null}`, &llmv1.Usage{InputTokens: 1, OutputTokens: 2}},
		{"cache hits", `{"prompt_tokens":9,"completion_tokens":1,"prompt_cache_hit_tokens":8}`, &llmv1.Usage{InputTokens: 1, CacheReadTokens: 8, OutputTokens: 1}},
		{"details above the total", `{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":5},"completion_tokens_details":{"reasoning_tokens":9}}`, &llmv1.Usage{CacheReadTokens: 3, ReasoningTokens: 2}},
		{"thinking beside the completion", `{"prompt_tokens":3,"completion_tokens":2,"total_tokens":14,"completion_tokens_details":{"reasoning_tokens":9}}`, &llmv1.Usage{InputTokens: 3, OutputTokens: 2, ReasoningTokens: 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newScanner([]byte(tt.in))
			got := s.usage()
			if tt.want != nil {
				tt.want.Source = llmv1.UsageSource_USAGE_SOURCE_PROVIDER
			}
			if s.Finish() != nil || !proto.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// The classes add up to the totals, and read back as themselves.
func TestUsageProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<40)
		u := &llmv1.Usage{
			InputTokens: n.Draw(t, "in"), CacheReadTokens: n.Draw(t, "read"), InputAudioTokens: n.Draw(t, "audio"),
			CacheWrite_5MTokens: n.Draw(t, "write"), OutputTokens: n.Draw(t, "out"), OutputAudioTokens: n.Draw(t, "audio out"),
			ReasoningTokens: n.Draw(t, "thinking"), Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER,
		}
		text := appendUsage(nil, u)
		var totals struct {
			Prompt     int64 `json:"prompt_tokens"`
			Completion int64 `json:"completion_tokens"`
			Total      int64 `json:"total_tokens"`
		}
		if err := json.Unmarshal(text, &totals); err != nil {
			t.Fatal(err)
		}
		prompt := u.GetInputTokens() + u.GetCacheReadTokens() + u.GetInputAudioTokens() + u.GetCacheWrite_5MTokens()
		if totals.Prompt != prompt || totals.Total != totals.Prompt+totals.Completion {
			t.Fatalf("totals %+v of %v", totals, u)
		}
		s := newScanner(text)
		if got := s.usage(); !proto.Equal(got, u) {
			t.Fatalf("got %v, want %v", got, u)
		}
	})
}

func FuzzDecodeCompletion(f *testing.F) {
	f.Add([]byte(fullAnswer))
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := DecodeCompletion(raw)
		if err != nil {
			if errs.From(err).Reason == llmv1.ErrorReason_ERROR_REASON_INTERNAL {
				t.Fatalf("not typed: %v", err)
			}
			return
		}
		a := &provider.Answer{Completion: c, Native: raw, Dialect: Dialect}
		for _, candidate := range c.GetCandidates() {
			candidate.FinishReason = llmv1.FinishReason_FINISH_REASON_LENGTH
			for _, p := range candidate.GetMessage().GetParts() {
				if p.GetText() != nil {
					p.GetText().Text = "masked"
				}
			}
		}
		if out := EncodeAnswer(a, nil); !json.Valid([]byte(strings.ToValidUTF8(string(out), "?"))) {
			t.Fatalf("not JSON: %s", out)
		}
	})
}

func BenchmarkWholeAnswer(b *testing.B) {
	raw := []byte(fullAnswer)
	b.ReportAllocs()
	for b.Loop() {
		c, err := DecodeCompletion(raw)
		if err != nil {
			b.Fatal(err)
		}
		EncodeAnswer(&provider.Answer{Completion: c, Native: raw, Dialect: Dialect}, nil)
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, size := range map[string]int{"200B": 100, "10KB": 10 << 10} {
		raw := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"` +
			strings.Repeat("lorem ipsum dolor\\n ", size/19) + `"}],"temperature":0.5,"max_tokens":100}`)
		b.Run("parse "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := ParseRequest(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
		r, c, err := ParseRequest(raw)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("render "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(&provider.Request{Conversation: c, Model: "m"}, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestRequestAllocations(t *testing.T) {
	raw := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],"temperature":0.5}`)
	r, c, err := ParseRequest(raw)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { _, _, _ = ParseRequest(raw) }); n > 20 {
		t.Errorf("a small request takes %v allocations to parse", n)
	}
	to := &provider.Request{Conversation: c, Model: "m", Context: "C", Revisions: map[int]string{0: "x"}}
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Render(to, true) }); n > 2 {
		t.Errorf("rendering takes %v allocations", n)
	}
}

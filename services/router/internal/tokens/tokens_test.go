package tokens

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// The ranges are around what the real tokenisers give for these texts.
func TestTextIsNearTheTruth(t *testing.T) {
	prose := strings.Repeat("The gateway holds budget for each request before it asks a provider. ", 10) // 13 tokens each
	for _, tc := range []struct {
		name, model, text string
		low, high         int64
	}{
		{"empty", "gpt-4o", "", 0, 0},
		{"English", "gpt-4o", prose, 110, 165},
		{"English on Claude needs more", "claude-sonnet-4-5", prose, 125, 195},
		{"Chinese", "gpt-4o", strings.Repeat("网关在请求前预留预算", 10), 60, 130},
		{"code", "gpt-4o", "func (s *Server) Close(ctx context.Context) error {\n\treturn s.stop(ctx)\n}\n", 18, 34},
		{"digits", "gpt-4o", "1234567890", 3, 6},
	} {
		if got := Text(tc.model, tc.text); got < tc.low || got > tc.high {
			t.Errorf("%s: %d tokens, want %d to %d", tc.name, got, tc.low, tc.high)
		}
	}
}

func TestFamilies(t *testing.T) {
	text := strings.Repeat("words and words ", 50)
	claude := Text("claude-sonnet-4-5", text)
	for _, alias := range []string{"anthropic/claude-x", "us.anthropic.claude-sonnet-4-5-v1:0"} {
		if got := Text(alias, text); got != claude {
			t.Errorf("%s: %d tokens, want those of Claude, %d", alias, got, claude)
		}
	}
	if Text("gpt-4o", text) == claude || Text("no-such-model", text) == Text("gpt-4o", text) {
		t.Error("families do not differ")
	}
}

func TestSumDoesNotDependOnTheCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		whole := NewCounter("gpt-4o")
		whole.AddString(text)
		pieces := NewCounter("gpt-4o")
		for rest := []byte(text); len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "cut")
			pieces.Add(rest[:n])
			rest = rest[n:]
		}
		if whole.Tokens() != pieces.Tokens() {
			t.Fatalf("whole %d, in pieces %d", whole.Tokens(), pieces.Tokens())
		}
	})
}

func TestForConversation(t *testing.T) {
	c := &llmv1.Conversation{
		Model: "gpt-4o",
		Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{
			{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: strings.Repeat("word ", 100)}}},
		}}},
	}
	bounds := Bounds{MarginPercent: 20, Output: 1000, Context: 500}
	e := ForConversation(c.GetSampling(), Conversation(c.GetModel(), c), bounds)
	if e.Input < 80 || e.WorstInput < e.Input*12/10+500 || e.WorstOutput != 1000 {
		t.Errorf("without a limit: %+v", e)
	}
	c.Sampling = &llmv1.Sampling{MaxOutputTokens: proto.Int64(50), CandidateCount: proto.Int32(3)}
	if e := ForConversation(c.GetSampling(), Conversation(c.GetModel(), c), bounds); e.WorstOutput != 150 {
		t.Errorf("three answers of 50: %+v", e)
	}
	c.Messages[0].Parts = append(c.Messages[0].Parts, &llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{}}})
	if more := ForConversation(c.GetSampling(), Conversation(c.GetModel(), c), bounds); more.Input < e.Input+imageTokens {
		t.Errorf("an image counts %d", more.Input-e.Input)
	}
}

func TestTotalsCountEveryClass(t *testing.T) {
	u := &llmv1.Usage{
		InputTokens: 1, CacheReadTokens: 2, CacheWrite_5MTokens: 4, CacheWrite_1HTokens: 8, InputAudioTokens: 16,
		InputImageTokens: 32, OutputTokens: 64, ReasoningTokens: 128, OutputAudioTokens: 256,
	}
	if Input(u) != 63 || Total(u) != 511 {
		t.Errorf("input %d, total %d", Input(u), Total(u))
	}
}

func BenchmarkCounter(b *testing.B) {
	text := []byte(strings.Repeat("The gateway holds budget. ", 40))
	c := NewCounter("gpt-4o")
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		c.Add(text)
	}
}

package titan

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

func asking(text string, s *llmv1.Sampling) *llmv1.Conversation {
	return &llmv1.Conversation{Model: "m", Sampling: s, Messages: []*llmv1.Message{
		{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}}},
	}}
}

func TestParseRequest(t *testing.T) {
	tests := []struct {
		body        string
		want        *llmv1.Conversation
		unexpressed []string
	}{
		{`{"inputText":"hi"}`, asking("hi", nil), nil},
		{`{"inputText":"User: é\n\"Bot:","textGenerationConfig":null}`, asking("User: é\n\"Bot:", nil), nil},
		{
			`{"textGenerationConfig":{"temperature":0,"topP":0.9,"maxTokenCount":512,"stopSequences":["User:","|"]},"inputText":"hi"}`,
			asking("hi", &llmv1.Sampling{Temperature: proto.Float64(0), TopP: proto.Float64(0.9), MaxOutputTokens: proto.Int64(512), Stop: []string{"User:", "|"}}),
			nil,
		},
		{`{"inputText":"hi","textGenerationConfig":{"maxTokenCount":0,"stopSequences":[]}}`, asking("hi", &llmv1.Sampling{}), nil},
		{
			`{"inputText":"hi","seed":1,"other":null,"textGenerationConfig":{"topK":3}}`, asking("hi", nil),
			[]string{"seed", "textGenerationConfig.topK"},
		},
		{"{\"inputText\":\"hi\",\"a\\n, b\":1}", asking("hi", nil), []string{"?"}},
	}
	for _, tt := range tests {
		r, c, err := ParseRequest([]byte(tt.body), "m")
		if err != nil {
			t.Errorf("%s: %v", tt.body, err)
			continue
		}
		if diff := cmp.Diff(tt.want, c, protocmp.Transform()); diff != "" {
			t.Errorf("%s: %s", tt.body, diff)
		}
		if !slices.Equal(r.Unexpressed(), tt.unexpressed) || r.Dialect() != Dialect {
			t.Errorf("%s: unexpressed %q", tt.body, r.Unexpressed())
		}
	}
	if _, err := (&Request{}).Render(nil, false); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INTERNAL) {
		t.Errorf("render: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ body, field string }{
		{``, ""},
		{`[]`, ""},
		{`{"inputText":"hi"`, ""},
		{`{"inputText":"hi"} x`, ""},
		{"{\"inputText\":\"\xff\"}", ""},
		{`{}`, "inputText"},
		{`{"inputText":""}`, "inputText"},
		{`{"inputText":1}`, "inputText"},
		{`{"inputText":"a","inputText":"b"}`, "inputText"},
		{`{"inputtext":"a"}`, "inputtext"},
		{`{"inputText":"a","textGenerationConfig":[]}`, "textGenerationConfig"},
		{`{"inputText":"a","textGenerationConfig":{"temperature":1.1}}`, "textGenerationConfig.temperature"},
		{`{"inputText":"a","textGenerationConfig":{"topP":"1"}}`, "textGenerationConfig.topP"},
		{`{"inputText":"a","textGenerationConfig":{"maxTokenCount":-1}}`, "textGenerationConfig.maxTokenCount"},
		{`{"inputText":"a","textGenerationConfig":{"stopSequences":"x"}}`, "textGenerationConfig.stopSequences"},
		{`{"inputText":"a","textGenerationConfig":{"stopSequences":[1]}}`, "textGenerationConfig.stopSequences[0]"},
		{`{"inputText":"a","textGenerationConfig":{"stopSequences":[` + strings.Repeat(`"x",`, 16) + `"y"]}}`, "textGenerationConfig.stopSequences[16]"},
	}
	for _, tt := range tests {
		_, _, err := ParseRequest([]byte(tt.body), "m")
		if e := errs.From(err); err == nil || e.Reason != llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT || tt.field != "" && !strings.HasPrefix(tt.field, e.Field) {
			t.Errorf("%s: %v", tt.body, err)
		}
	}
}

func TestParseEmbedRequest(t *testing.T) {
	r, err := ParseEmbedRequest([]byte(`{"inputText":"a text","dimensions":256,"normalize":true,"embeddingTypes":["float"]}`), "titan-embed")
	if err != nil || r.Model != "titan-embed" || !slices.Equal(r.Inputs, []string{"a text"}) || r.Dimensions != 256 || !r.ByType {
		t.Errorf("%+v, %v", r, err)
	}
	tests := []struct {
		body, field string
		want        llmv1.ErrorReason
	}{
		{`{"inputText":"a","normalize":false}`, "normalize", llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED},
		{`{"inputText":"a","embeddingTypes":["binary"]}`, "embeddingTypes", llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED},
		{`{"inputText":"a","inputImage":"aGk="}`, "inputImage", llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED},
		{`{"inputText":"a","embeddingConfig":{"outputEmbeddingLength":256}}`, "embeddingConfig", llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED},
		{`{"inputText":"a","other":1}`, "other", llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED},
		{`{"inputText":"a","dimensions":0}`, "dimensions", llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
		{`{"inputText":"a","normalize":1}`, "normalize", llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
		{`{}`, "inputText", llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT},
	}
	for _, tt := range tests {
		_, err := ParseEmbedRequest([]byte(tt.body), "m")
		if e := errs.From(err); err == nil || e.Reason != tt.want || e.Field != tt.field {
			t.Errorf("%s: %v", tt.body, err)
		}
	}
}

func TestEncodeAnswer(t *testing.T) {
	c := &llmv1.Completion{
		Usage: &llmv1.Usage{InputTokens: 3, CacheReadTokens: 2, OutputTokens: 7, ReasoningTokens: 1},
		Candidates: []*llmv1.Candidate{{
			FinishReason: llmv1.FinishReason_FINISH_REASON_STOP,
			Message: &llmv1.Message{Parts: []*llmv1.Part{
				{Content: &llmv1.Part_Thinking{Thinking: &llmv1.Thinking{Text: "hidden"}}},
				{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: "one \"\n"}}},
				{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: "two"}}},
			}},
		}},
	}
	const want = `{"inputTextTokenCount":5,"results":[{"tokenCount":8,"outputText":"one \"\ntwo","completionReason":"FINISH"}]}`
	if got := string(EncodeAnswer(c)); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	c.Candidates[0].StopSequence = "|"
	if got := string(EncodeAnswer(c)); !strings.Contains(got, `"STOP_CRITERIA_MET"`) {
		t.Error(got)
	}
	c.Candidates[0].StopSequence, c.Candidates[0].FinishReason = "", llmv1.FinishReason_FINISH_REASON_LENGTH
	if got := string(EncodeAnswer(c)); !strings.Contains(got, `"LENGTH"`) {
		t.Error(got)
	}
}

// lines frames pieces as lines; the last is marked.
func lines(dst, data []byte, last bool) []byte {
	dst = append(dst, data...)
	if last {
		dst = append(dst, '!')
	}
	return append(dst, '\n')
}

func TestChunkEncoder(t *testing.T) {
	e := NewChunkEncoder(lines)
	b := e.Append(nil, &stream.Chunk{Events: []stream.Event{
		{Kind: stream.Start},
		{Kind: stream.Thinking, Delta: []byte("hidden")},
		{Kind: stream.Text, Delta: []byte("on\ne")},
		{Kind: stream.Text, Candidate: 1, Delta: []byte("another answer")},
	}})
	b = e.Append(b, &stream.Chunk{Events: []stream.Event{
		{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 3, OutputTokens: 4}},
		{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_LENGTH},
	}})
	b = e.Fail(e.End(b), nil) // nothing follows the end
	b = e.Append(b, &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte("late")}}})
	want := `{"outputText":"on\ne","index":0,"totalOutputTextTokenCount":null,"completionReason":null,"inputTextTokenCount":null}
{"outputText":"","index":0,"totalOutputTextTokenCount":4,"completionReason":"LENGTH","inputTextTokenCount":3}!
`
	if string(b) != want {
		t.Errorf("%s\nwant\n%s", b, want)
	}
}

func TestBlockedStream(t *testing.T) {
	e := NewChunkEncoder(lines)
	if b := string(e.Fail(nil, nil)); !strings.Contains(b, `"completionReason":"CONTENT_FILTERED"`) || !strings.HasSuffix(b, "!\n") {
		t.Error(b)
	}
}

func TestEmbeddings(t *testing.T) {
	var got struct {
		Embedding           []float64
		EmbeddingsByType    struct{ Float []float64 }
		InputTextTokenCount int
	}
	if err := json.Unmarshal(EncodeEmbedding([]float32{3, 4}, &llmv1.Usage{InputTokens: 5}, true), &got); err != nil {
		t.Fatal(err)
	}
	want := []float64{0.6, 0.8}
	if !slices.Equal(got.Embedding, want) || !slices.Equal(got.EmbeddingsByType.Float, want) || got.InputTextTokenCount != 5 {
		t.Errorf("%+v", got)
	}
	exact := []float32{0.6, 0.8, 1e-8}
	vector, tokens, counted, err := DecodeEmbedding(EncodeEmbedding(exact, &llmv1.Usage{InputTokens: 5}, false))
	if err != nil || !slices.Equal(vector, exact) || tokens != 5 || !counted {
		t.Errorf("%v, %d, %v, %v", vector, tokens, counted, err)
	}
	if b := string(EncodeEmbedding([]float32{0, 0}, nil, false)); b != `{"embedding":[0,0],"inputTextTokenCount":0}` {
		t.Error(b)
	}
	for _, body := range []string{``, `{}`, `{"embedding":[]}`, `{"embedding":["a"]}`, `{"embedding":[1e99]}`, `{"embedding":[1]`} {
		if _, _, _, err := DecodeEmbedding([]byte(body)); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, _, counted, err := DecodeEmbedding([]byte(`{"embedding":[1]}`)); err != nil || counted {
		t.Errorf("no count: %v, %v", counted, err)
	}
	for _, dimensions := range []int32{0, 256} {
		r, err := ParseEmbedRequest(EncodeEmbedRequest("a \"text\"", dimensions), "m")
		if err != nil || r.Inputs[0] != "a \"text\"" || r.Dimensions != dimensions {
			t.Errorf("%+v, %v", r, err)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"inputText":"hi","textGenerationConfig":{"temperature":0.5,"stopSequences":["a"],"x":[1]},"y":{}}`))
	f.Add([]byte(`{"inputText":"\ud83d\ude00","dimensions":1,"normalize":true}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if r, err := ParseEmbedRequest(raw, "m"); err == nil && (len(r.Inputs) != 1 || !json.Valid(raw)) {
			t.Fatalf("embed %+v", r)
		}
		r, c, err := ParseRequest(raw, "m")
		if err != nil {
			return
		}
		texts := conversation.Texts(c)
		if !json.Valid(raw) || len(texts) != 1 || *texts[0].Value == "" {
			t.Fatalf("%v", c)
		}
		var plain struct {
			InputText string `json:"inputText"`
		}
		if err := json.Unmarshal(raw, &plain); err != nil || plain.InputText != *texts[0].Value {
			t.Fatalf("read %q, encoding/json reads %q (%v)", *texts[0].Value, plain.InputText, err)
		}
		for _, name := range r.Unexpressed() {
			if name == "" && !strings.Contains(string(raw), `""`) {
				t.Fatalf("a member without a name")
			}
		}
	})
}

func FuzzDecodeEmbedding(f *testing.F) {
	f.Add([]byte(`{"embedding":[0.1,-2e-3],"inputTextTokenCount":3,"embeddingsByType":{"float":[1]}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		vector, _, _, err := DecodeEmbedding(raw)
		if err != nil {
			return
		}
		again, _, _, err := DecodeEmbedding(EncodeEmbedding(vector, nil, true))
		if err != nil || len(again) != len(vector) {
			t.Fatalf("%v became %v (%v)", vector, again, err)
		}
		for _, f := range again {
			if math.IsNaN(float64(f)) {
				t.Fatalf("%v became %v", vector, again)
			}
		}
	})
}

func TestChunkDoesNotAllocate(t *testing.T) {
	e := NewChunkEncoder(lines)
	c := &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte("some text")}}}
	buffer := make([]byte, 0, 1024)
	if got := testing.AllocsPerRun(100, func() { buffer = e.Append(buffer[:0], c) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkEncodeEmbedding(b *testing.B) {
	vector := make([]float32, 1024)
	for i := range vector {
		vector[i] = float32(i) / 1024
	}
	b.ReportAllocs()
	for b.Loop() {
		EncodeEmbedding(vector, nil, false)
	}
}

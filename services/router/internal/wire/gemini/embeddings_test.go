package gemini

import (
	"slices"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func TestParseEmbedRequest(t *testing.T) {
	tests := []struct {
		body  string
		batch bool
		want  []string
	}{
		{`{"model":"models/m","content":{"parts":[{"text":"a"}]},"outputDimensionality":4}`, false, []string{"a"}},
		{`{"content":{"role":"user","parts":{"text":"a"}},"output_dimensionality":4,"taskType":null,"title":""}`, false, []string{"a"}},
		{`{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"outputDimensionality":4},{"model":"models/m","content":{"parts":[{"text":"b"}]},"outputDimensionality":4}]}`, true, []string{"a", "b"}},
	}
	for _, tt := range tests {
		got, err := ParseEmbedRequest("m", []byte(tt.body), tt.batch)
		if err != nil || got.Model != "m" || got.Dimensions != 4 || !slices.Equal(got.Inputs, tt.want) {
			t.Errorf("%s: got %+v, %v", tt.body, got, err)
		}
	}
	for body, field := range map[string]string{
		`{"requests":[]}`: "requests",
		`{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}]}`:                                       "requests[0].taskType",
		`{"requests":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AQI="}}]}}]}`:                           "requests[0].content",
		`{"requests":[{"model":"models/n","content":{"parts":[{"text":"a"}]}}]}`:                                                 "requests[0].model",
		`{"requests":[{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"a"}]},"outputDimensionality":4}]}`:      "requests[1].outputDimensionality",
		`{"requests":[{"content":{"parts":[{"text":"a"}]},"content":{"parts":[{"text":"b"}]}}]}`:                                 "requests[0].content",
		`{"requests":[{"content":{"parts":[{"text":"a"}]},"outputDimensionality":0}]}`:                                           "requests[0].outputDimensionality",
		`{"requests":[{"content":{"parts":[{"text":"a"},{"text":"b"}]}}]}`:                                                       "requests[0].content",
		`{"requests":[{"content":{"parts":[{"text":"a"}]},"autoTruncate":true}]}`:                                                "requests[0].autoTruncate",
		`{"requests":[{"content":{"parts":[{"text":"a"}]},"task_type":"SEMANTIC_SIMILARITY","taskType":"SEMANTIC_SIMILARITY"}]}`: "requests[0].taskType",
	} {
		if _, err := ParseEmbedRequest("m", []byte(body), true); errs.From(err) == nil || errs.From(err).Field != field {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

func TestEmbeddings(t *testing.T) {
	r := &provider.EmbedRequest{Model: "m", Inputs: []string{"a", "b"}, Dimensions: 2}
	same(t, EncodeEmbedRequest(r, "models/m"), `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"outputDimensionality":2},{"model":"models/m","content":{"parts":[{"text":"b"}]},"outputDimensionality":2}]}`)
	same(t, EncodePredict(r.Inputs, 2), `{"instances":[{"content":"a"},{"content":"b"}],"parameters":{"outputDimensionality":2}}`)
	same(t, EncodeEmbedContent("a", 0), `{"content":{"parts":[{"text":"a"}]}}`)
	for raw, tokens := range map[string]int64{
		`{"embeddings":[{"values":[1,2.5]},{"values":[3]}]}`:                                        -1,
		`{"embeddings":[{"values":[1,2.5]},{"values":[3]}],"usageMetadata":{"promptTokenCount":5}}`: 5,
		`{"predictions":[{"embeddings":{"values":[1,2.5],"statistics":{"token_count":2,"truncated":false}}},{"embeddings":{"values":[3],"statistics":{"token_count":1}}}],"metadata":{}}`: 3,
	} {
		got, err := DecodeEmbeddings([]byte(raw), 2)
		if err != nil || !slices.Equal(got.Vectors[0], []float32{1, 2.5}) || !slices.Equal(got.Vectors[1], []float32{3}) {
			t.Fatalf("%s: got %v, %v", raw, got, err)
		}
		if (got.Usage == nil) != (tokens < 0) || tokens > 0 && got.Usage.GetInputTokens() != tokens {
			t.Errorf("%s: usage %v", raw, got.Usage)
		}
	}
	for _, raw := range []string{`{"embedding":{"values":[1]}}`, `{"embeddings":[{"values":[]},{"values":[1]}]}`, `{"embeddings":[{"values":["x"]},{}]}`, `{`, `{}`} {
		if _, err := DecodeEmbeddings([]byte(raw), 2); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%s: got %v", raw, err)
		}
	}
	v := &provider.Embeddings{Vectors: [][]float32{{1, 2.5}}, Usage: &llmv1.Usage{InputTokens: 3}}
	same(t, EncodeEmbeddings(v, false), `{"embedding":{"values":[1,2.5]},"usageMetadata":{"promptTokenCount":3}}`)
	same(t, EncodeEmbeddings(v, true), `{"embeddings":[{"values":[1,2.5]}],"usageMetadata":{"promptTokenCount":3}}`)
}

func TestCount(t *testing.T) {
	for _, body := range []string{`{` + user + `}`, `{"generateContentRequest":{"model":"models/m",` + user + `}}`, `{"generate_content_request":{` + user + `}}`} {
		_, c, err := ParseCountRequest("m", []byte(body))
		if err != nil || c.GetMessages()[0].GetParts()[0].GetText().GetText() != "Hi" {
			t.Errorf("%s: got %v, %v", body, c, err)
		}
	}
	for _, body := range []string{`{`, `{}`, `{` + user + `,"generateContentRequest":{` + user + `}}`, `{"generateContentRequest":{` + user + `},"generate_content_request":{` + user + `}}`} {
		if _, _, err := ParseCountRequest("m", []byte(body)); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) {
			t.Errorf("%s: got %v", body, err)
		}
	}
	body := []byte(`{"model":"models/x",` + user + `,"system_instruction":{},"toolConfig":{},"safetySettings":[]}`)
	same(t, EncodeCountRequest(body, "models/m"), `{"generateContentRequest":{"model":"models/m",`+user+`,"system_instruction":{},"toolConfig":{},"safetySettings":[]}}`)
	same(t, EncodeVertexCount(body), `{`+user+`,"system_instruction":{}}`)
	if n, err := DecodeCount([]byte(`{"totalTokens":7,"promptTokensDetails":[]}`)); n != 7 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	for _, raw := range []string{`{}`, `{"totalTokens":-1}`, `{`, `{"error":{"code":503}}`} {
		if _, err := DecodeCount([]byte(raw)); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%s: got %v", raw, err)
		}
	}
	same(t, EncodeCount(7), `{"totalTokens":7}`)
}

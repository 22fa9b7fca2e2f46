package openai

import (
	"slices"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

func TestEmbeddingsRoundTrip(t *testing.T) {
	r, err := ParseEmbedRequest([]byte(`{"input":["a","b\n"],"model":"e","dimensions":2,"encoding_format":"base64","user":"u","x":1}`))
	if err != nil || !r.Base64 || r.Dimensions != 2 || !slices.Equal(r.Inputs, []string{"a", "b\n"}) {
		t.Fatalf("got %+v, %v", r, err)
	}
	again, err := ParseEmbedRequest(EncodeEmbedRequest(&r.EmbedRequest))
	if err != nil || again.Base64 || again.Dimensions != 2 || !slices.Equal(again.Inputs, r.Inputs) {
		t.Fatalf("got %+v, %v", again, err)
	}
	vectors := &provider.Embeddings{Model: "e", Vectors: [][]float32{{0.25, -1e-7}, {3, 0}}, Usage: &llmv1.Usage{InputTokens: 3}}
	for _, base64 := range []bool{false, true} {
		got, err := DecodeEmbeddings(EncodeEmbeddings(vectors, base64), 2)
		if err != nil || got.Model != "e" || got.Usage.GetInputTokens() != 3 {
			t.Fatalf("got %+v, %v", got, err)
		}
		for i := range vectors.Vectors {
			if !slices.Equal(got.Vectors[i], vectors.Vectors[i]) {
				t.Errorf("vector %d: %v", i, got.Vectors[i])
			}
		}
	}
}

func TestEmbeddingsRefuse(t *testing.T) {
	for body, field := range map[string]string{
		`{"input":"a"}`:                                      "model",
		`{"model":"e"}`:                                      "input",
		`{"model":"e","input":[]}`:                           "input",
		`{"model":"e","input":[[1,2]]}`:                      "input[0]",
		`{"model":"e","input":["a",5]}`:                      "input[1]",
		`{"model":"e","input":"a","input":""}`:               "input",
		`{"model":"e","input":"a","dimensions":0}`:           "dimensions",
		`{"model":"e","input":"a","encoding_format":"int8"}`: "encoding_format",
		`{"model":"e","input":"a"`:                           "",
	} {
		_, err := ParseEmbedRequest([]byte(body))
		if e := errs.From(err); e == nil || e.Field != field {
			t.Errorf("%s: %v (field %q)", body, err, fieldOf(e))
		}
	}
}

func TestDecodeEmbeddingsRefuses(t *testing.T) {
	for _, body := range []string{
		`{}`, `[]`, `{"data":[]}`, `{"data":[{"index":0,"embedding":[1]}`, `{"data":[{"index":1,"embedding":[1]}]}`,
		`{"data":[{"index":0,"embedding":[]}]}`, `{"data":[{"index":0,"embedding":["x"]}]}`, `{"data":[{"index":0,"embedding":"AAA="}]}`,
		`{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}`, `{"error":{"message":"m"}}`,
	} {
		_, err := DecodeEmbeddings([]byte(body), 1)
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

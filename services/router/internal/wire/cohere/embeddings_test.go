package cohere

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestParseEmbedRequest(t *testing.T) {
	r, err := ParseEmbedRequest([]byte(`{"texts":["a","b\n"],"input_type":"search_query","truncate":"END","embedding_types":["float"],"output_dimension":256,"images":null}`), "m")
	if err != nil || r.Model != "m" || !slices.Equal(r.Inputs, []string{"a", "b\n"}) || r.Dimensions != 256 || !r.ByType ||
		!slices.Equal(r.Dropped, []string{"input_type", "truncate"}) {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err = ParseEmbedRequest([]byte(`{"texts":["a"],"truncate":"NONE"}`), "m"); err != nil || r.ByType || len(r.Dropped) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	const invalid, unsupported = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	tests := []struct {
		body, field string
		want        llmv1.ErrorReason
	}{
		{`[]`, "", invalid},
		{`{"texts":["a"]`, "", invalid},
		{"{\"texts\":[\"\xff\"]}", "", invalid},
		{`{}`, "texts", invalid},
		{`{"texts":[]}`, "texts", invalid},
		{`{"texts":"a"}`, "texts", invalid},
		{`{"texts":["a",1]}`, "texts[1]", invalid},
		{`{"texts":["a"` + strings.Repeat(`,"a"`, 2048) + `]}`, "texts", invalid},
		{`{"texts":["a"],"input_type":1}`, "input_type", invalid},
		{`{"texts":["a"],"output_dimension":0}`, "output_dimension", invalid},
		{`{"texts":["a"],"embedding_types":["int8"]}`, "embedding_types", unsupported},
		{`{"texts":["a"],"images":["data:"]}`, "images", unsupported},
		{`{"texts":["a"],"max_tokens":5}`, "max_tokens", unsupported},
		{`{"texts":["a"],"other":5}`, "other", unsupported},
	}
	for _, tt := range tests {
		_, err := ParseEmbedRequest([]byte(tt.body), "m")
		if e := errs.From(err); err == nil || e.Reason != tt.want || e.Field != tt.field {
			t.Errorf("%.60s: %v", tt.body, err)
		}
	}
}

func TestEncodeEmbeddings(t *testing.T) {
	r := &EmbedRequest{}
	r.Inputs = []string{"a", "\"b\""}
	vectors := [][]float32{{1, -0.5}, {}}
	const plain = `{"id":"req_1","response_type":"embeddings_floats","embeddings":[[1,-0.5],[]],"texts":["a","\"b\""]}`
	if got := string(EncodeEmbeddings(vectors, r, "req_1")); got != plain {
		t.Error(got)
	}
	r.ByType = true
	const typed = `{"id":"req_1","response_type":"embeddings_by_type","embeddings":{"float":[[1,-0.5],[]]},"texts":["a","\"b\""]}`
	if got := string(EncodeEmbeddings(vectors, r, "req_1")); got != typed {
		t.Error(got)
	}
}

func FuzzParseEmbedRequest(f *testing.F) {
	f.Add([]byte(`{"texts":["a","\ud83d"],"input_type":"x","embedding_types":["float"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseEmbedRequest(raw, "m")
		if err != nil {
			return
		}
		var plain struct{ Texts []string }
		if err := json.Unmarshal(raw, &plain); err != nil || !slices.Equal(plain.Texts, r.Inputs) {
			t.Fatalf("read %q, encoding/json reads %q (%v)", r.Inputs, plain.Texts, err)
		}
		if !json.Valid(EncodeEmbeddings([][]float32{{1}}, r, "id")) {
			t.Fatal("what is written is no JSON")
		}
	})
}

package openai

import (
	"encoding/json"
	"slices"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestParseModeration(t *testing.T) {
	for body, want := range map[string]ModerationRequest{
		`{"input":"a\n"}`:                          {Texts: []string{"a\n"}, Inputs: []int{1}},
		`{"input":["a","b"],"model":"omni","x":1}`: {Model: "omni", Texts: []string{"a", "b"}, Inputs: []int{1, 1}},
		`{"input":[{"type":"text","text":"a"},{"text":"b","type":"text"}],"model":null}`: {Texts: []string{"a", "b"}, Inputs: []int{2}},
	} {
		got, err := ParseModeration([]byte(body))
		if err != nil || got.Model != want.Model || !slices.Equal(got.Texts, want.Texts) || !slices.Equal(got.Inputs, want.Inputs) {
			t.Errorf("%s: got %+v, %v", body, got, err)
		}
	}
	const invalid, unsupported = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	for _, tt := range []struct {
		body, field string
		reason      llmv1.ErrorReason
	}{
		{``, "", invalid},
		{`[]`, "", invalid},
		{`{"input":"a"`, "", invalid},
		{`{}`, "input", invalid},
		{`{"input":[]}`, "input", invalid},
		{`{"input":1}`, "input", invalid},
		{`{"input":[1]}`, "input[0]", invalid},
		{`{"input":["a",{"type":"text","text":"b"}]}`, "input[1]", invalid},
		{`{"input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://a/b"}}]}`, "input[1].type", unsupported},
	} {
		_, err := ParseModeration([]byte(tt.body))
		if e := errs.From(err); e == nil || e.Reason != tt.reason || e.Field != tt.field {
			t.Errorf("%s: got %v at %q", tt.body, err, fieldOf(e))
		}
	}
}

func TestEncodeModeration(t *testing.T) {
	var got struct {
		ID, Model string
		Results   []struct {
			Flagged    bool
			Categories map[string]bool
			Scores     map[string]float64  `json:"category_scores"`
			Applied    map[string][]string `json:"category_applied_input_types"`
		}
	}
	raw := EncodeModeration("r", []map[string]float64{nil, {"email": 0.5, "a\"b": 1}})
	if err := json.Unmarshal(raw, &got); err != nil || got.Model != ModerationModel || len(got.Results) != 2 {
		t.Fatalf("got %s, %v", raw, err)
	}
	clean, dirty := got.Results[0], got.Results[1]
	if clean.Flagged || len(clean.Categories) != len(categories) || len(clean.Applied["hate"]) != 0 || clean.Applied["hate"] == nil {
		t.Errorf("got %s", raw)
	}
	if !dirty.Flagged || !dirty.Categories["email"] || dirty.Scores["email"] != 0.5 || !dirty.Categories[`a"b`] ||
		dirty.Categories["violence"] || !slices.Equal(dirty.Applied["email"], []string{"text"}) {
		t.Errorf("got %s", raw)
	}
}

func FuzzParseModeration(f *testing.F) {
	f.Add([]byte(`{"input":[{"type":"text","text":"a"},{"text":"b","type":"text"}],"model":null}`))
	f.Add([]byte(`{"input":["a","b"]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseModeration(body)
		if err != nil {
			return
		}
		sum := 0
		for _, n := range r.Inputs {
			sum += n
		}
		if sum != len(r.Texts) || sum == 0 || !json.Valid(body) {
			t.Fatalf("%q: %+v", body, r)
		}
	})
}

func TestParseDeployment(t *testing.T) {
	for body, want := range map[string]string{
		`{"messages":[{"role":"user","content":"a"}]}`:                 `{"model":"up","messages":[{"role":"user","content":"a"}]}`,
		`{"model":"other","messages":[{"role":"user","content":"a"}]}`: `{"model":"up","messages":[{"role":"user","content":"a"}]}`,
	} {
		r, c, err := ParseDeployment([]byte(body), "deployed")
		if err != nil || c.GetModel() != "deployed" {
			t.Fatalf("got %v, %v", c, err)
		}
		out, err := r.Render(requestFor(c, "up"), false)
		if err != nil || string(out) != want {
			t.Errorf("got %s, %v", out, err)
		}
	}
	if r, err := ParseEmbedDeployment([]byte(`{"input":"a"}`), "deployed"); err != nil || r.Model != "deployed" {
		t.Errorf("got %+v, %v", r, err)
	}
}

package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/openai"
	"github.com/tollgate/tollgate/services/router/internal/recall"
)

func said(model, text string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: model, Instructions: param.NewOpt("Be brief."),
		Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt(text)},
	}
}

// streamed reads a stream as the SDK does, and returns its last response and the
// text of its deltas.
func streamed(t *testing.T, w *world, p responses.ResponseNewParams) (*responses.Response, string, error) {
	t.Helper()
	client := sdk(w)
	s := client.Responses.NewStreaming(t.Context(), p)
	defer func() { _ = s.Close() }()
	var last *responses.Response
	var text string
	for s.Next() {
		switch e := s.Current(); e.Type {
		case "response.output_text.delta":
			text += e.Delta
		case "response.completed", "response.incomplete", "response.failed":
			last = &e.Response
		}
	}
	return last, text, s.Err()
}

func TestSDKResponses(t *testing.T) {
	const want = "You said: one two\n\"three\" 😀"
	for name, foreign := range map[string]bool{"native": false, "foreign": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Foreign = foreign
			client := sdk(w)
			p := said("gpt-4o-mini", "one two\n\"three\" 😀")
			whole, err := client.Responses.New(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			live, text, err := streamed(t, w, p)
			if err != nil || text != want {
				t.Fatalf("got %q, %v", text, err)
			}
			for _, got := range []*responses.Response{whole, live} {
				if got.OutputText() != want || got.Status != "completed" || got.Usage.InputTokens != 6 || got.Usage.OutputTokens != 6 ||
					got.Instructions.OfString != "Be brief." || !strings.HasPrefix(got.ID, "resp_") {
					t.Errorf("got %s", got.RawJSON())
				}
			}
			if m := w.Calls()[0].Conversation.GetMessages(); len(m) != 2 || m[0].GetRole() != llmv1.Role_ROLE_SYSTEM {
				t.Errorf("asked %v", m)
			}
		})
	}
}

func TestSDKResponsesTools(t *testing.T) {
	w := newWorld(t)
	client := sdk(w)
	p := said("gpt-4o-mini", "look it up")
	p.Tools = []responses.ToolUnionParam{responses.ToolParamOfFunction("find", map[string]any{
		"type": "object", "properties": map[string]any{"what": map[string]any{"type": "string"}, "n": map[string]any{"type": "integer"}},
	}, false)}
	whole, err := client.Responses.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	live, _, err := streamed(t, w, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []*responses.Response{whole, live} {
		if len(got.Output) != 1 || got.Output[0].Type != "function_call" || got.Output[0].CallID != "call_0" || got.Output[0].Name != "find" ||
			got.Output[0].Arguments.OfString != `{"n":7,"what":"some text"}` {
			t.Fatalf("got %s", got.RawJSON())
		}
	}
	// The second turn goes on from the first by its id.
	output := responses.ResponseInputItemParamOfFunctionCallOutput("found")
	output.OfFunctionCallOutput.CallID = openai.String("call_0")
	p.PreviousResponseID = param.NewOpt(live.ID)
	p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{output}}
	again, err := client.Responses.New(t.Context(), p)
	if err != nil || again.OutputText() != "The tools said: found. You said: look it up" {
		t.Fatalf("got %+v, %v", again, err)
	}
	// Instructions are not carried over twice.
	asked := w.Calls()[len(w.Calls())-1].Conversation.GetMessages()
	if len(asked) != 4 || asked[0].GetRole() != llmv1.Role_ROLE_SYSTEM || asked[1].GetRole() != llmv1.Role_ROLE_USER {
		t.Errorf("asked %v", asked)
	}
}

func TestSDKResponsesThinking(t *testing.T) {
	w := newWorld(t)
	p := said(providertest.Thinking, "why")
	p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortMedium, Summary: shared.ReasoningSummaryAuto}
	got, _, err := streamed(t, w, p)
	if err != nil || len(got.Output) != 2 || got.Output[0].Type != "reasoning" || got.Output[0].Summary[0].Text != "Thinking about: why" {
		t.Fatalf("got %+v, %v", got, err)
	}
	if !w.Calls()[0].Conversation.GetReasoning().GetIncludeThinking() {
		t.Error("thinking is not asked for")
	}
}

func TestSDKResponsesSchema(t *testing.T) {
	w := newWorld(t)
	client := sdk(w)
	p := said("gpt-4o-mini", "x")
	p.Text.Format = responses.ResponseFormatTextConfigParamOfJSONSchema("s", map[string]any{
		"type": "object", "properties": map[string]any{"ok": map[string]any{"type": "boolean"}},
	})
	if got, err := client.Responses.New(t.Context(), p); err != nil || got.OutputText() != `{"ok":true}` {
		t.Fatalf("got %+v, %v", got, err)
	}
}

// What is kept can be read, named, and deleted by its owner, and by nobody else.
func TestSDKResponsesAreKept(t *testing.T) {
	w := newWorld(t)
	client := sdk(w)
	first, err := client.Responses.New(t.Context(), said("m", "one"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Responses.Get(t.Context(), first.ID, responses.ResponseGetParams{})
	if err != nil || got.OutputText() != "You said: one" || got.RawJSON() != first.RawJSON() {
		t.Fatalf("got %+v, %v", got, err)
	}
	p := said("m", "")
	p.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfItemReference(first.Output[0].ID), responses.ResponseInputItemParamOfMessage("two", responses.EasyInputMessageRoleUser),
	}}
	if _, err := client.Responses.New(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	asked := w.Calls()[len(w.Calls())-1].Conversation.GetMessages()
	if len(asked) != 3 || asked[1].GetRole() != llmv1.Role_ROLE_ASSISTANT || asked[1].GetParts()[0].GetText().GetText() != "You said: one" {
		t.Errorf("asked %v", asked)
	}

	stranger := *w
	other := dialect.New(w.Gateway, otherKeys{}, dialect.WithResponses(w.kept, slog.Default()))
	mux := http.NewServeMux()
	other.Register(mux)
	server := httptest.NewServer(mux)
	defer server.Close()
	stranger.url = server.URL
	for _, path := range []string{"GET", "DELETE"} {
		if resp, _ := stranger.do(t, path, "/v1/responses/"+first.ID, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s by another organisation: %d", path, resp.StatusCode)
		}
	}
	for _, body := range []string{
		`{"model":"m","input":"x","previous_response_id":"` + first.ID + `"}`,
		`{"model":"m","input":[{"type":"item_reference","id":"` + first.Output[0].ID + `"}]}`,
	} {
		if resp, got := stranger.do(t, "POST", "/v1/responses", body); resp.StatusCode != http.StatusNotFound {
			t.Errorf("another organisation: %d %s", resp.StatusCode, got)
		}
	}

	if err := client.Responses.Delete(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	var e *openai.Error
	if _, err := client.Responses.Get(t.Context(), first.ID, responses.ResponseGetParams{}); !errors.As(err, &e) || e.StatusCode != http.StatusNotFound {
		t.Errorf("got %v", err)
	}
}

// otherKeys are of another organisation.
type otherKeys struct{ dialecttest.Keys }

func (otherKeys) Authenticate(context.Context, http.Header) (*auth.Principal, error) {
	return &auth.Principal{Organization: "other", Key: "k1", Roles: []string{auth.RoleDeveloper}}, nil
}

func TestSDKResponsesNotKept(t *testing.T) {
	w := newWorld(t)
	p := said("m", "one")
	p.Store = param.NewOpt(false)
	client := sdk(w)
	whole, err := client.Responses.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := streamed(t, w, p); err != nil {
		t.Fatal(err)
	}
	if n, _ := w.kept.Len(); n > 0 || whole.JSON.ExtraFields["store"].Raw() != "false" {
		t.Errorf("%d responses are kept, store %s", n, whole.JSON.ExtraFields["store"].Raw())
	}
}

func TestSDKResponsesFail(t *testing.T) {
	w := newWorld(t)
	_, _, err := streamed(t, w, said(providertest.Unavailable, "x"))
	var e *openai.Error
	if !errors.As(err, &e) || e.StatusCode != 502 {
		t.Errorf("before content: %v", err)
	}
	for _, model := range []string{providertest.Cut, providertest.ErrorInStream, providertest.Malformed} {
		got, _, err := streamed(t, w, said(model, "one two three four"))
		if err == nil || got == nil || got.Status != "failed" || got.Error.Message == "" {
			t.Errorf("%s: got %+v, %v", model, got, err)
		}
	}
	if n, _ := w.kept.Len(); n > 0 {
		t.Errorf("%d responses that failed are kept", n)
	}
	w.After, w.Reason = 4, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED
	got, _, err := streamed(t, w, said("m", "one two three four"))
	if err != nil || got.Status != "incomplete" || got.IncompleteDetails.Reason != "content_filter" {
		t.Errorf("blocked: got %+v, %v", got, err)
	}
}

func TestResponsesRefused(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]string{
		`{"model":"m","input":"x","previous_response_id":"resp_none"}`:      `"param":"previous_response_id","code":"not_found"`,
		`{"model":"m","input":[{"type":"item_reference","id":"nonsense"}]}`: `"param":"input","code":"not_found"`,
		`{"model":"m","input":[{"type":"reasoning","summary":[]}]}`:         `"param":"input"`,
		`{"model":"m","input":"x","background":true}`:                       `"param":"background","code":"unsupported"`,
	} {
		if resp, got := w.do(t, "POST", "/v1/responses", body); resp.StatusCode < 400 || !strings.Contains(got, want) || !json.Valid([]byte(got)) {
			t.Errorf("%s: %d %s", body, resp.StatusCode, got)
		}
	}
	if resp, _ := w.do(t, "GET", "/v1/responses/resp_x?stream=true", ""); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a second stream: %d", resp.StatusCode)
	}
	if len(w.Calls()) > 0 {
		t.Error("a refused request was asked")
	}
}

func keeper() *recall.Memory {
	return recall.NewMemory(recall.Options{TTL: time.Hour, MaxEntries: 100, MaxBytes: 1 << 20}, time.Now)
}

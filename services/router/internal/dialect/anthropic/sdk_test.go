package anthropic_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	wire "github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

func params(model string, blocks ...sdk.ContentBlockParamUnion) sdk.MessageNewParams {
	return sdk.MessageNewParams{
		Model: model, MaxTokens: 2000, System: []sdk.TextBlockParam{{Text: "Be brief."}},
		Messages: []sdk.MessageParam{sdk.NewUserMessage(blocks...)},
	}
}

func said(model, text string) sdk.MessageNewParams { return params(model, sdk.NewTextBlock(text)) }

// tool is a tool whose arguments have one member.
func tool(name string) sdk.ToolUnionParam {
	t := sdk.ToolUnionParamOfTool(sdk.ToolInputSchemaParam{
		Properties: map[string]any{"city": map[string]any{"type": "string"}},
	}, name)
	t.OfTool.Description = sdk.String("looks things up")
	return t
}

// shape writes what an answer holds.
func shape(m *sdk.Message) string {
	var out []string
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			out = append(out, "text:"+b.Text)
		case "thinking":
			out = append(out, "thinking:"+b.Thinking)
		case "tool_use":
			out = append(out, fmt.Sprintf("call:%s%s", b.Name, b.Input))
		default:
			out = append(out, b.Type)
		}
	}
	return strings.Join(append(out, string(m.StopReason)), "|")
}

// The official SDK gets the same answer whether the target speaks its format
// or another one, streamed or not.
func TestSDKChat(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		for i, m := range w.answers(t, said("claude-sonnet-4-5", "one two\n\"three\" 😀")) {
			if got, want := shape(m), "text:You said: one two\n\"three\" 😀|end_turn"; got != want {
				t.Errorf("answer %d: got %q, want %q", i, got, want)
			}
			if m.Role != "assistant" || m.ID == "" || m.Usage.InputTokens != 6 || m.Usage.OutputTokens != 6 {
				t.Errorf("answer %d: got %s", i, m.RawJSON())
			}
		}
	})
}

func TestSDKTools(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		p := said(providertest.ParallelTools, "look it up")
		p.Tools = []sdk.ToolUnionParam{tool("f"), tool("g")}
		var loop sdk.MessageNewParams
		for i, m := range w.answers(t, p) {
			calls := slices.DeleteFunc(slices.Clone(m.Content), func(b sdk.ContentBlockUnion) bool { return b.Type != "tool_use" })
			if m.StopReason != "tool_use" || len(calls) != 2 || calls[0].ID == calls[1].ID ||
				!json.Valid(calls[0].Input) || string(calls[0].Input) == string(calls[1].Input) {
				t.Fatalf("answer %d: got %s", i, shape(m))
			}
			results := []sdk.ContentBlockParamUnion{
				sdk.NewToolResultBlock(calls[0].ID, "sunny", false), sdk.NewToolResultBlock(calls[1].ID, "rainy", false),
			}
			loop = p
			loop.Messages = append(slices.Clone(p.Messages), m.ToParam(), sdk.NewUserMessage(results...))
		}
		for i, m := range w.answers(t, loop) {
			if got := shape(m); !strings.Contains(got, "The tools said: sunny | rainy") || m.StopReason != "end_turn" {
				t.Errorf("answer %d behind the results: %s", i, got)
			}
		}
	})
}

// Arguments are those that the model wrote, byte for byte, and a choice is kept.
func TestSDKToolArguments(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		p := said("m~"+providertest.OddArguments, "x")
		p.Tools = []sdk.ToolUnionParam{tool("f")}
		p.ToolChoice = sdk.ToolChoiceParamOfTool("f")
		streamed, err := w.streamed(t, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(streamed.Content) != 1 || string(streamed.Content[0].Input) != providertest.OddJSON {
			t.Errorf("got %s", shape(streamed))
		}
	})
}

func TestSDKThinking(t *testing.T) {
	w := newWorld(t)
	for _, foreign := range []bool{false, true} {
		w.Foreign = foreign
		p := said("claude-sonnet-4-5~"+providertest.Redacted, "x")
		p.Tools = []sdk.ToolUnionParam{tool("f")}
		p.Thinking = sdk.ThinkingConfigParamOfEnabled(1024)
		for i, m := range w.answers(t, p) {
			if len(m.Content) != 3 || m.Content[0].Signature == "" || m.Content[1].Data == "" {
				t.Fatalf("answer %d: got %s", i, m.RawJSON())
			}
			// The provider takes its thinking back only as it was signed.
			q := p
			q.Messages = append(slices.Clone(p.Messages), m.ToParam(),
				sdk.NewUserMessage(sdk.NewToolResultBlock(m.Content[2].ID, "sunny", false)))
			for _, next := range w.answers(t, q) {
				if !strings.Contains(shape(next), "The tools said: sunny") {
					t.Errorf("answer %d: then %s", i, shape(next))
				}
			}
		}
	}
}

// What another provider thinks is shown, and left out when it comes back.
func TestSDKForeignThinking(t *testing.T) {
	w := newForeign(t)
	p := said(providertest.Thinking, "x y")
	for i, m := range w.answers(t, p) {
		if got := shape(m); !strings.HasPrefix(got, "thinking:Thinking about: x y|text:You said: x y|") {
			t.Errorf("answer %d: got %s", i, got)
		}
		q := p
		q.Messages = append(slices.Clone(p.Messages), m.ToParam(), sdk.NewUserMessage(sdk.NewTextBlock("z")))
		if _, err := w.whole(t, q); err != nil {
			t.Error(err)
		}
	}
}

func TestSDKMedia(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		p := params("m", sdk.NewImageBlockBase64("image/png", "AQID"), sdk.NewTextBlock("look"))
		for i, m := range w.answers(t, p) {
			if got := shape(m); got != "text:I see image/png of 3 bytes. You said: look|end_turn" {
				t.Errorf("answer %d: got %s", i, got)
			}
		}
		p = params("m", sdk.NewDocumentBlock(sdk.Base64PDFSourceParam{Data: "AQIDBA=="}), sdk.NewTextBlock("read"))
		for i, m := range w.answers(t, p) {
			if got := shape(m); got != "text:I see application/pdf of 4 bytes. You said: read|end_turn" {
				t.Errorf("answer %d: got %s", i, got)
			}
		}
	})
}

func TestSDKSchema(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		p := said("m", "x")
		p.OutputConfig.Format.Schema = map[string]any{
			"type": "object", "additionalProperties": false, "required": []string{"ok"},
			"properties": map[string]any{"ok": map[string]any{"type": "boolean"}},
		}
		for i, m := range w.answers(t, p) {
			if got := shape(m); got != `text:{"ok":true}|end_turn` {
				t.Errorf("answer %d: got %s", i, got)
			}
		}
	})
}

// The SDK makes its own errors of ours.
func TestSDKErrors(t *testing.T) {
	for reason, want := range map[llmv1.ErrorReason]struct {
		status int
		kind   string
	}{
		llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:      {401, "authentication_error"},
		llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED:    {403, "permission_error"},
		llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND:      {404, "not_found_error"},
		llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE:       {413, "request_too_large"},
		llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED:         {429, "rate_limit_error"},
		llmv1.ErrorReason_ERROR_REASON_BUDGET_EXCEEDED:      {429, "billing_error"},
		llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED:        {400, "invalid_request_error"},
		llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED:     {400, "invalid_request_error"},
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE: {502, "api_error"},
		llmv1.ErrorReason_ERROR_REASON_OVERLOADED:           {503, "overloaded_error"},
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT:     {504, "timeout_error"},
		llmv1.ErrorReason_ERROR_REASON_INTERNAL:             {500, "api_error"},
	} {
		w := newWorld(t)
		w.Err = errs.New(reason, "").WithRetryAfter(1500 * time.Millisecond)
		_, whole := w.whole(t, said("m", "x"))
		_, streamed := w.streamed(t, said("m", "x"))
		for _, err := range []error{whole, streamed} {
			var e *sdk.Error
			if !errors.As(err, &e) || e.StatusCode != want.status || string(e.Type()) != want.kind {
				t.Fatalf("%v: got %v", reason, err)
			}
			code := strings.ToLower(strings.TrimPrefix(reason.String(), "ERROR_REASON_"))
			if !strings.Contains(e.RawJSON(), `"code":"`+code+`"`) || e.Response.Header.Get("Retry-After") != "2" {
				t.Errorf("%v: got %s, %v", reason, e.RawJSON(), e.Response.Header)
			}
		}
	}
}

// A stream that fails before its first content is an error with a status;
// behind it, it is an error to the SDK too, and never an answer that looks whole.
func TestSDKStreamFaults(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		_, err := w.streamed(t, said(providertest.Unavailable, "x"))
		var e *sdk.Error
		if !errors.As(err, &e) || e.StatusCode != 502 {
			t.Errorf("before content: %v", err)
		}
		for _, model := range []string{providertest.Cut, providertest.ErrorInStream, providertest.Malformed, providertest.EndsEarly} {
			got, err := w.streamed(t, said(model, "one two three four"))
			if !errors.As(err, &e) || e.Type() != "api_error" || got.StopReason != "" || len(got.Content) == 0 {
				t.Errorf("%s: got %s, %v", model, shape(got), err)
			}
			if err != nil && strings.Contains(err.Error(), "10.1.2.3") {
				t.Errorf("%s: leaks %v", model, err)
			}
		}
		w.After, w.Reason = 5, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED
		got, err := w.streamed(t, said("m", "one two three four five six"))
		if err != nil || got.StopReason != "refusal" {
			t.Errorf("blocked: got %s, %v", shape(got), err)
		}
	})
}

func TestSDKCountAndModels(t *testing.T) {
	p := sdk.MessageCountTokensParams{
		Model: "m", Messages: said("m", "one two three").Messages, System: sdk.MessageCountTokensParamsSystemUnion{OfString: sdk.String("Be brief.")},
	}
	w := newWorld(t)
	c := w.client()
	if n, err := c.Messages.CountTokens(t.Context(), p); err != nil || n.InputTokens != 5 {
		t.Errorf("got %+v, %v", n, err)
	}
	foreign := newForeign(t)
	f := foreign.client()
	if n, err := f.Messages.CountTokens(t.Context(), p); err != nil || n.InputTokens != 42 {
		t.Errorf("estimate: got %+v, %v", n, err)
	}
	page, err := c.Models.List(t.Context(), sdk.ModelListParams{})
	if err != nil || len(page.Data) != 2 || page.Data[0].ID != "gpt-4o-mini" || page.HasMore {
		t.Fatalf("got %+v, %v", page, err)
	}
	m, err := c.Models.Get(t.Context(), "org/model", sdk.ModelGetParams{})
	if err != nil || m.ID != "org/model" {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := c.Models.Get(t.Context(), "none", sdk.ModelGetParams{}); err == nil {
		t.Error("a model that is not there was found")
	}
}

// What no client knows reaches it all the same, and so does what it asks of
// the provider in a header.
func TestSDKUnknownFieldsSurvive(t *testing.T) {
	w := newWorld(t)
	p := said(providertest.UnknownFields, "one two three four five")
	p.SetExtraFields(map[string]any{"x_asked": map[string]any{"a": 1}})
	c := w.client(option.WithHeader("anthropic-beta", "one-2025, two"))
	got, err := c.Messages.New(t.Context(), p)
	if err != nil || got.JSON.ExtraFields["x_top"].Raw() != `[1,"two"]` {
		t.Fatalf("got %v, %v", got, err)
	}
	var sent map[string]any
	last := w.upstream.Last()
	if err := json.Unmarshal(last.Body, &sent); err != nil || sent["x_asked"] == nil {
		t.Errorf("sent %s", last.Body)
	}
	if got := last.Header.Get("Anthropic-Beta"); got != "one-2025,two" {
		t.Errorf("beta %q", got)
	}
	s := c.Messages.NewStreaming(t.Context(), p)
	defer func() { _ = s.Close() }()
	for s.Next() {
		if e := s.Current(); e.Type != "message_stop" && !strings.Contains(e.RawJSON(), `"x_event":"kept"`) {
			t.Errorf("got %s", e.RawJSON())
		}
	}
	if s.Err() != nil {
		t.Error(s.Err())
	}
}

func TestSDKDisconnectStopsTheProvider(t *testing.T) {
	w := newWorld(t)
	w.Ended = make(chan error, 1)
	c := w.client()
	s := c.Messages.NewStreaming(t.Context(), said(providertest.Stall, "one two three four"))
	if !s.Next() {
		t.Fatal(s.Err())
	}
	_ = s.Close()
	select {
	case err := <-w.Ended:
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) {
			t.Errorf("got %v", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("the gateway goes on")
	}
	if _, ok := w.upstream.Last().AwaitCancelled(time.Second); !ok {
		t.Error("the provider goes on")
	}
}

// The SDK reads what other formats make: parts that take turns, and counts
// behind the reason.
func TestSDKReadsEveryOrder(t *testing.T) {
	call := func(i int32) *llmv1.Part {
		return &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: fmt.Sprint("call_", i), Name: "f"}}}
	}
	var out []byte
	e := wire.NewChunkEncoder(nil)
	for _, ev := range []stream.Event{
		{Kind: stream.Start, ID: "x", Model: "m"},
		{Kind: stream.Text, Delta: []byte("a")},
		{Kind: stream.PartStop},
		{Kind: stream.PartStart, Index: 1, Part: call(1)},
		{Kind: stream.PartStart, Index: 2, Part: call(2)},
		{Kind: stream.ToolArguments, Index: 2, Delta: []byte(`{"b":`)},
		{Kind: stream.ToolArguments, Index: 1, Delta: []byte(`{"a":1}`)},
		{Kind: stream.ToolArguments, Index: 2, Delta: []byte(`2}`)},
		{Kind: stream.PartStop, Index: 1},
		{Kind: stream.PartStop, Index: 2},
		{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS},
		{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 3, OutputTokens: 4, ReasoningTokens: 5}},
	} {
		out = e.Append(out, &stream.Chunk{Events: []stream.Event{ev}})
	}
	m := &sdk.Message{}
	frames := sse.NewReader(bytes.NewReader(e.End(out)))
	for {
		frame, err := frames.Next()
		if err != nil {
			break
		}
		var ev sdk.MessageStreamEventUnion
		if err := json.Unmarshal(frame, &ev); err != nil {
			t.Fatal(err)
		}
		if err := m.Accumulate(ev); err != nil {
			t.Fatal(err)
		}
	}
	if got := shape(m); got != `text:a|call:f{"a":1}|call:f{"b":2}|tool_use` || m.Usage.InputTokens != 3 || m.Usage.OutputTokens != 9 || m.Usage.OutputTokensDetails.ThinkingTokens != 5 {
		t.Errorf("got %s, %s", got, m.Usage.RawJSON())
	}
}

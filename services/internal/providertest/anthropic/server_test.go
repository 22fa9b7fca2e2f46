package anthropic_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/anthropic"
)

// The official SDK is the judge of whether the fake speaks the real format.
func client(s *anthropic.Server) sdk.Client {
	return sdk.NewClient(option.WithBaseURL(s.BaseURL()), option.WithAPIKey("sk-test"), option.WithMaxRetries(0))
}

func params(model string, blocks ...sdk.ContentBlockParamUnion) sdk.MessageNewParams {
	return sdk.MessageNewParams{Model: model, MaxTokens: 4096, Messages: []sdk.MessageParam{sdk.NewUserMessage(blocks...)}}
}

func said(model string) sdk.MessageNewParams {
	return params(model, sdk.NewTextBlock("one two three four"))
}

func streamed(t *testing.T, s *anthropic.Server, p sdk.MessageNewParams) (*sdk.Message, error) {
	t.Helper()
	c := client(s)
	stream := c.Messages.NewStreaming(t.Context(), p)
	defer func() { _ = stream.Close() }()
	out := &sdk.Message{}
	for stream.Next() {
		if err := out.Accumulate(stream.Current()); err != nil {
			t.Errorf("the SDK cannot add %s: %v", stream.Current().RawJSON(), err)
		}
	}
	return out, stream.Err()
}

// both asks for a whole answer and for a streamed one.
func both(t *testing.T, s *anthropic.Server, p sdk.MessageNewParams) []*sdk.Message {
	t.Helper()
	c := client(s)
	whole, err := c.Messages.New(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	live, err := streamed(t, s, p)
	if err != nil {
		t.Fatal(err)
	}
	return []*sdk.Message{whole, live}
}

// shape writes an answer's blocks in one line.
func shape(m *sdk.Message) string {
	var out []string
	for _, b := range m.Content {
		switch b.Type {
		case "text":
			out = append(out, "text:"+b.Text)
		case "tool_use":
			out = append(out, "call:"+b.ID+":"+b.Name+string(b.Input))
		case "thinking":
			ok := b.Signature == providertest.Signature(b.Thinking)
			out = append(out, "thinking:"+b.Thinking+map[bool]string{true: ":signed"}[ok])
		default:
			out = append(out, b.Type)
		}
	}
	return strings.Join(out, "|") + "|" + string(m.StopReason)
}

func weather(names ...string) []sdk.ToolUnionParam {
	var out []sdk.ToolUnionParam
	for _, name := range names {
		out = append(out, sdk.ToolUnionParamOfTool(sdk.ToolInputSchemaParam{
			Properties: map[string]any{"city": map[string]any{"type": "string"}},
		}, name))
	}
	return out
}

func TestAnswers(t *testing.T) {
	tools := said("m")
	tools.Tools = weather("f", "g")
	parallel := said(providertest.ParallelTools)
	parallel.Tools = weather("f", "g")
	single := parallel
	single.ToolChoice = sdk.ToolChoiceUnionParam{OfAuto: &sdk.ToolChoiceAutoParam{DisableParallelToolUse: sdk.Bool(true)}}
	named := tools
	named.ToolChoice = sdk.ToolChoiceParamOfTool("g")
	thinking := said("m")
	thinking.Thinking = sdk.ThinkingConfigParamOfEnabled(1024)
	schema := said("m")
	schema.OutputConfig.Format.Schema = map[string]any{
		"type": "object", "additionalProperties": false,
		"properties": map[string]any{"a": map[string]any{"type": "array", "items": map[string]any{"enum": []string{"one"}}}},
	}
	short := said("m")
	short.MaxTokens = 2
	stop := said("m")
	stop.StopSequences = []string{"three"}
	tests := map[string]struct {
		params sdk.MessageNewParams
		want   string
	}{
		"text":     {said("m"), "text:You said: one two three four|end_turn"},
		"tool":     {tools, `call:toolu_0:f{"city":"some text"}|tool_use`},
		"parallel": {parallel, `call:toolu_0:f{"city":"some text"}|call:toolu_1:g{"city":"some text 2"}|tool_use`},
		"single":   {single, `call:toolu_0:f{"city":"some text"}|tool_use`},
		"named":    {named, `call:toolu_0:g{"city":"some text"}|tool_use`},
		"thinking": {thinking, "thinking:Thinking about: one two three four:signed|text:You said: one two three four|end_turn"},
		"redacted": {said("claude~" + providertest.Redacted), "thinking:Thinking about: one two three four:signed|redacted_thinking|text:You said: one two three four|end_turn"},
		"schema":   {schema, `text:{"a":["one"]}|end_turn`},
		"length":   {short, "text:You said: |max_tokens"},
		"stop":     {stop, "text:You said: one two |stop_sequence"},
		"refusal":  {said(providertest.Refusal), "text:I must not say that.|refusal"},
		"image": {
			params("m", sdk.NewImageBlockBase64("image/png", "AQID"), sdk.NewTextBlock("look")),
			"text:I see image/png of 3 bytes. You said: look|end_turn",
		},
		"document": {
			params("m", sdk.NewDocumentBlock(sdk.Base64PDFSourceParam{Data: "AQIDBA=="}), sdk.NewTextBlock("read")),
			"text:I see application/pdf of 4 bytes. You said: read|end_turn",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for i, got := range both(t, anthropic.New(t), tt.params) {
				if shape(got) != tt.want {
					t.Errorf("answer %d:\ngot  %s\nwant %s", i, shape(got), tt.want)
				}
				if got.Usage.InputTokens == 0 || got.Usage.OutputTokens == 0 {
					t.Errorf("answer %d: usage %s", i, got.Usage.RawJSON())
				}
			}
		})
	}
}

func TestToolLoop(t *testing.T) {
	for _, model := range []string{providertest.ParallelTools, "m~" + providertest.OddArguments} {
		s := anthropic.New(t)
		p := said(model)
		p.Tools = weather("f")
		p.Thinking = sdk.ThinkingConfigParamOfEnabled(1024)
		live, err := streamed(t, s, p)
		if err != nil {
			t.Fatal(err)
		}
		var results []sdk.ContentBlockParamUnion
		var want []string
		for _, b := range live.Content {
			if b.Type != "tool_use" {
				continue
			}
			if strings.HasSuffix(model, providertest.OddArguments) && string(b.Input) != providertest.OddJSON {
				t.Errorf("arguments %s", b.Input)
			}
			results = append(results, sdk.NewToolResultBlock(b.ID, "sunny in "+b.ID, false))
			want = append(want, "sunny in "+b.ID)
		}
		p.Messages = append(p.Messages, live.ToParam(), sdk.NewUserMessage(results...))
		for _, got := range both(t, s, p) {
			if text := "The tools said: " + strings.Join(want, " | ") + ". "; !strings.Contains(shape(got), text) {
				t.Errorf("got %s", shape(got))
			}
		}
		p.Messages[1].Content = p.Messages[1].Content[1:] // without its thoughts
		c := client(s)
		if _, err := c.Messages.New(t.Context(), p); err == nil || !strings.Contains(err.Error(), "must start with a thinking block") {
			t.Errorf("thoughts were left out: %v", err)
		}
	}
}

func TestCacheAndCitations(t *testing.T) {
	s := anthropic.New(t)
	document := sdk.NewDocumentBlock(sdk.PlainTextSourceParam{Data: "grass is green"})
	document.OfDocument.Citations.Enabled = sdk.Bool(true)
	document.OfDocument.CacheControl = sdk.CacheControlEphemeralParam{TTL: sdk.CacheControlEphemeralTTLTTL1h}
	p := params("m", document, sdk.NewTextBlock("what is green?"))
	got := both(t, s, p)
	for i, m := range got {
		u := m.Usage
		if u.InputTokens != 3 || u.CacheCreationInputTokens != int64(3*(1-i)) || u.CacheReadInputTokens != int64(3*i) || u.CacheCreation.Ephemeral1hInputTokens != u.CacheCreationInputTokens {
			t.Errorf("answer %d: usage %s", i, u.RawJSON())
		}
		if c := m.Content[0].Citations; len(c) != 1 || c[0].CitedText != "grass is green" || c[0].EndCharIndex != 14 {
			t.Errorf("answer %d: citations %+v", i, c)
		}
	}
}

func TestModelsAndTokens(t *testing.T) {
	s := anthropic.New(t)
	c := client(s)
	page, err := c.Models.List(t.Context(), sdk.ModelListParams{})
	if err != nil || len(page.Data) != 2 || page.Data[0].CreatedAt.IsZero() {
		t.Errorf("got %+v, %v", page, err)
	}
	if _, err := c.Models.Get(t.Context(), "claude-none", sdk.ModelGetParams{}); kindOf(err) != "not_found_error" {
		t.Errorf("got %v", err)
	}
	count, err := c.Messages.CountTokens(t.Context(), sdk.MessageCountTokensParams{
		Model: "m", Messages: said("m").Messages,
	})
	if err != nil || count.InputTokens != 4 {
		t.Errorf("got %+v, %v", count, err)
	}
}

func kindOf(err error) string {
	var e *sdk.Error
	if !errors.As(err, &e) {
		return ""
	}
	return string(e.Type())
}

func TestErrors(t *testing.T) {
	s := anthropic.New(t)
	c := client(s)
	tests := map[string]struct {
		status int
		kind   string
	}{
		providertest.RateLimited: {429, "rate_limit_error"}, providertest.RateLimitedAfter: {429, "rate_limit_error"},
		providertest.ServerError: {500, "api_error"}, providertest.Overloaded: {529, "overloaded_error"},
		providertest.Unavailable: {503, ""}, providertest.Unauthorized: {401, "authentication_error"},
		providertest.Forbidden: {403, "permission_error"}, providertest.Missing: {404, "not_found_error"},
		providertest.TooLarge: {413, "request_too_large"}, providertest.ContextExceeded: {400, "invalid_request_error"},
		providertest.ContentFilter: {400, "invalid_request_error"}, providertest.Rejected: {400, "invalid_request_error"},
		providertest.FailOnce: {500, "api_error"}, providertest.TimedOut: {504, "timeout_error"},
	}
	for model, want := range tests {
		_, err := c.Messages.New(t.Context(), said(model))
		var e *sdk.Error
		if !errors.As(err, &e) || e.StatusCode != want.status || kindOf(err) != want.kind {
			t.Errorf("%s: %v", model, err)
			continue
		}
		if want.kind != "" && (e.RequestID == "" || !strings.Contains(e.RawJSON(), providertest.LeakyText)) {
			t.Errorf("%s: %s %q", model, e.RawJSON(), e.RequestID)
		}
		if after := e.Response.Header.Get("Retry-After"); (after != "") != (model == providertest.RateLimitedAfter) {
			t.Errorf("%s: retry after %q", model, after)
		}
	}
	if _, err := c.Messages.New(t.Context(), said(providertest.FailOnce)); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestStreams(t *testing.T) {
	s := anthropic.New(t)
	s.Delay = 20 * time.Millisecond
	want := "text:You said: one two three four|end_turn"
	for _, model := range []string{
		providertest.Comments, providertest.CRLF, providertest.MultiLine, providertest.NoSpace, providertest.Tiny,
		providertest.OneWrite, providertest.SlowFirstToken, providertest.NoDone, providertest.NoUsage, providertest.UnknownFields,
	} {
		got, err := streamed(t, s, said(model))
		if err != nil || shape(got) != want {
			t.Errorf("%s: %s, %v", model, shape(got), err)
		}
	}
	for _, model := range []string{
		providertest.Cut, providertest.Malformed, providertest.ErrorInStream, providertest.Reset, providertest.Huge,
	} {
		if got, err := streamed(t, s, said(model)); err == nil {
			t.Errorf("%s: %s", model, shape(got))
		}
	}
	if _, err := streamed(t, s, said(providertest.ErrorInStream)); kindOf(err) != "overloaded_error" {
		t.Errorf("got %v", err)
	}
	if got, err := streamed(t, s, said(providertest.EndsEarly)); err != nil || got.StopReason != "" {
		t.Errorf("got %s, %v", shape(got), err) // the SDK takes the end of the body for the end
	}
}

// post sends a body that no SDK writes.
func post(t *testing.T, s *anthropic.Server, path, body string) (int, string) {
	t.Helper()
	return postAs(t, s, anthropic.Version, path, body)
}

func postAs(t *testing.T, s *anthropic.Server, version, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", "sk-test")
	req.Header.Set("Anthropic-Version", version)
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var out struct {
		Error struct{ Message string }
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, out.Error.Message
}

func TestVersions(t *testing.T) {
	s := anthropic.New(t)
	head := `{"model":"m","max_tokens":20,"messages":[{"role":"user","content":"x"}]`
	for _, tt := range []struct{ version, more, want string }{
		{anthropic.Version, `,"temperature":1}`, ""},
		{anthropic.LaterVersion, `}`, ""},
		{anthropic.LaterVersion, `,"temperature":1}`, "temperature: Extra inputs"},
		{anthropic.LaterVersion, `,"top_p":1}`, "top_p: Extra inputs"},
		{anthropic.LaterVersion, `,"top_k":1}`, "top_k: Extra inputs"},
		{"2020-01-01", `}`, "anthropic-version"},
	} {
		status, message := postAs(t, s, tt.version, "/v1/messages", head+tt.more)
		if (status == http.StatusOK) != (tt.want == "") || !strings.HasPrefix(message, tt.want) {
			t.Errorf("%s %s: got %d %q", tt.version, tt.more, status, message)
		}
	}
}

func TestRefusesWhatTheRealOneRefuses(t *testing.T) {
	s := anthropic.New(t)
	user := `{"role":"user","content":"x"}`
	calls := user + `,{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"f","input":{}}]}`
	head := `{"model":"m","max_tokens":2000,"messages":[`
	for body, want := range map[string]string{
		`{`:                            "not valid JSON",
		`{"max_tokens":5}`:             "model: Field required",
		`{"model":"m","max_tokens":5}`: "at least one message",
		`{"model":"m","messages":[` + user + `]}`:                   "max_tokens: Field required",
		head + user + `],"n":2}`:                                    "n: Extra inputs are not permitted",
		head + user + `],"max_tokens":"1"}`:                         "max_tokens: Input should be a valid int",
		head + user + `],"temperature":1.5}`:                        "temperature",
		head + `{"role":"system","content":"x"}]}`:                  "Unexpected role",
		head + `{"role":"assistant","content":"x"}]}`:               "first message",
		head + `{"role":"user","content":""}]}`:                     "non-whitespace",
		head + `{"role":"user","content":[]}]}`:                     "non-empty content",
		head + `{"role":"user","content":[{"type":"image_url"}]}]}`: "does not match",
		head + user + `,{"role":"assistant","content":"x "}]}`:      "trailing whitespace",
		head + user + `,{"role":"assistant","content":[{"type":"thinking","thinking":"a","signature":"b"}]}]}`: "Invalid `signature`",
		head + calls + `]}`:              "without `tool_result`",
		head + calls + `,` + user + `]}`: "without `tool_result`",
		head + calls + `,{"role":"user","content":[{"type":"text","text":"a"},{"type":"tool_result","tool_use_id":"t1"}]}]}`:   "without `tool_result`",
		head + calls + `,{"role":"user","content":[{"type":"tool_result","tool_use_id":"t2"}]}]}`:                              "unexpected `tool_use_id`",
		head + `{"role":"user","content":[{"type":"tool_result","tool_use_id":"t2"}]}]}`:                                       "unexpected `tool_use_id`",
		head + `{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"A"}}]}]}`: "invalid base64",
		head + user + `],"thinking":{"type":"enabled","budget_tokens":5}}`:                                                     "budget_tokens",
		head + user + `],"thinking":{"type":"enabled","budget_tokens":2000}}`:                                                  "must be greater",
		head + user + `],"thinking":{"type":"enabled","budget_tokens":1500},"temperature":0.5}`:                                "temperature",
		head + user + `],"tool_choice":{"type":"any"}}`:                                                                        "while providing `tools`",
		head + user + `],"tools":[{"name":"a b","input_schema":{"type":"object"}}]}`:                                           "should match pattern",
		head + user + `],"output_format":{"type":"json_schema","schema":{"type":"object"}}}`:                                   "additionalProperties",
	} {
		if status, message := post(t, s, "/v1/messages", body); status != 400 || !strings.Contains(message, want) {
			t.Errorf("%s: %d %s", body, status, message)
		}
	}
	if status, message := post(t, s, "/v1/messages/count_tokens", head+user+`]}`); status != 400 || !strings.HasPrefix(message, "max_tokens: Extra") {
		t.Errorf("count_tokens: %d %s", status, message)
	}
	s.Key = "other"
	if status, _ := post(t, s, "/v1/messages", head+user+`]}`); status != 401 {
		t.Errorf("wrong key: %d", status)
	}
	if last := s.Last(); last.Model != "m" || last.Path != "/v1/messages" || last.Header.Get("X-Api-Key") != "sk-test" {
		t.Errorf("recorded %+v", last)
	}
}

// Marks where the API does not take them are refused.
func TestMisplacedMarks(t *testing.T) {
	s := anthropic.New(t)
	mark := sdk.NewCacheControlEphemeralParam()
	deferred := said("m")
	deferred.Tools = []sdk.ToolUnionParam{sdk.ToolUnionParamOfTool(sdk.ToolInputSchemaParam{Properties: map[string]any{}}, "f")}
	deferred.Tools[0].OfTool.CacheControl = mark
	deferred.Tools[0].OfTool.SetExtraFields(map[string]any{"defer_loading": true})
	five := params("m")
	for range 5 {
		block := sdk.NewTextBlock("one")
		block.OfText.CacheControl = mark
		five.Messages[0].Content = append(five.Messages[0].Content, block)
	}
	thought := said("m")
	thinking := sdk.NewThinkingBlock(providertest.Signature("t"), "t")
	thinking.OfThinking.SetExtraFields(map[string]any{"cache_control": mark})
	thought.Messages = append(thought.Messages, sdk.NewAssistantMessage(thinking, sdk.NewTextBlock("a")), sdk.NewUserMessage(sdk.NewTextBlock("b")))
	for want, p := range map[string]sdk.MessageNewParams{
		"cannot use prompt caching": deferred, "A maximum of 4 blocks": five, "thinking.cache_control": thought,
	} {
		c := client(s)
		if _, err := c.Messages.New(t.Context(), p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

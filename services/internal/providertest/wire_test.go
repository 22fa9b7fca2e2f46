package providertest_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// post sends a body as no SDK does, and returns the answer's bytes.
func post(t *testing.T, s *providertest.Server, body string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip") // so that nothing is decompressed on the way
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(raw)
}

// events reads an event stream by the letter of the specification.
func events(t *testing.T, body string) (data []string) {
	t.Helper()
	body = strings.TrimPrefix(body, "\ufeff")
	body = strings.ReplaceAll(body, "\r\n", "\n")
	var lines []string
	for line := range strings.SplitSeq(body, "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case line == "" && len(lines) > 0:
			data = append(data, strings.Join(lines, "\n"))
			lines = nil
		case name == "data":
			lines = append(lines, strings.TrimPrefix(value, " "))
		}
	}
	if len(lines) > 0 {
		t.Errorf("an event without an end: %q", lines)
	}
	return data
}

// Whatever the style, the stream says the same, and each style shows.
func TestStyles(t *testing.T) {
	s := providertest.New(t)
	ask := func(model string) string {
		_, _, body := post(t, s, `{"model":"`+model+`","stream":true,"messages":[{"role":"user","content":"one, two"}]}`)
		return body
	}
	said := func(body string) string {
		var out strings.Builder
		data := events(t, body)
		for _, event := range data[:len(data)-1] {
			var chunk openai.ChatCompletionChunk
			if err := json.Unmarshal([]byte(event), &chunk); err != nil {
				t.Fatalf("%q: %v", event, err)
			}
			out.WriteString(chunk.Choices[0].Delta.Content)
		}
		return out.String() + data[len(data)-1]
	}
	for model, sign := range map[string]string{
		"m": "data: {", providertest.Comments: "\nretry: 3000\n", providertest.CRLF: "}\r\n\r\n", providertest.BOM: "\ufeffdata: ",
		providertest.MultiLine: ",\ndata: \"", providertest.NoSpace: "data:{", providertest.Tiny: "data: {", providertest.OneWrite: "data: {",
		providertest.Awkward: ",\r\ndata:\"",
	} {
		body := ask(model)
		if !strings.Contains(body, sign) || said(body) != "You said: one, two[DONE]" {
			t.Errorf("%s: %q", model, body)
		}
	}
}

func TestThinksInOpenAIFormat(t *testing.T) {
	s := providertest.New(t)
	c := client(s)
	p := params("deepseek~"+providertest.Thinking, "one")
	live, err := streamed(t, s, p)
	if err != nil {
		t.Fatal(err)
	}
	p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
	whole, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil || whole.Choices[0].Message.JSON.ExtraFields["reasoning_content"].Raw() != `"Thinking about: one"` {
		t.Errorf("got %v, %v", whole, err)
	}
	p.Model, p.ReasoningEffort = "m", shared.ReasoningEffortLow
	hidden, err := c.Chat.Completions.New(t.Context(), p)
	if err != nil || hidden.Choices[0].Message.JSON.ExtraFields["reasoning_content"].Raw() != "" {
		t.Errorf("got %v, %v", hidden, err)
	}
	for _, u := range []openai.CompletionUsage{live.Usage, whole.Usage, hidden.Usage} {
		if u.CompletionTokensDetails.ReasoningTokens != 3 || u.CompletionTokens != 6 {
			t.Errorf("usage %s", u.RawJSON())
		}
	}
	_, _, body := post(t, s, `{"model":"thinking","stream":true,"messages":[{"role":"user","content":"one"}]}`)
	if !strings.Contains(body, `"delta":{"reasoning_content":"Thinking "}`) {
		t.Errorf("got %s", body)
	}
}

func TestToolLoop(t *testing.T) {
	s := providertest.New(t)
	c := client(s)
	for model, arguments := range map[string]string{providertest.ParallelTools: "{}", providertest.OddArguments: providertest.OddJSON} {
		p := params(model, "one")
		p.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "f"})}
		live, err := streamed(t, s, p)
		if err != nil {
			t.Fatal(err)
		}
		calls := live.Choices[0].Message.ToolCalls
		p.Messages = append(p.Messages, live.Choices[0].Message.ToParam())
		for _, call := range calls {
			if call.Function.Arguments != arguments {
				t.Errorf("%s: %s", model, call.Function.Arguments)
			}
			p.Messages = append(p.Messages, openai.ToolMessage("got "+call.ID, call.ID))
		}
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
		got, err := c.Chat.Completions.New(t.Context(), p)
		want := "The tools said: got call_0. You said: one"
		if model == providertest.ParallelTools {
			want = "The tools said: got call_0 | got call_1. You said: one"
		}
		if err != nil || got.Choices[0].Message.Content != want {
			t.Errorf("%s: %+v, %v", model, got, err)
		}
		p.ParallelToolCalls = param.NewOpt(false)
		p.Messages = p.Messages[:1]
		if got, err = c.Chat.Completions.New(t.Context(), p); err != nil || len(got.Choices[0].Message.ToolCalls) != 1 {
			t.Errorf("%s: %+v, %v", model, got, err)
		}
	}
}

func TestRefusesWhatTheRealOneRefuses(t *testing.T) {
	s := providertest.New(t)
	call := `{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	for _, messages := range []string{
		``, `{"role":"user","content":7}`, `{"role":"tool","tool_call_id":"c","content":"x"}`, call, call + `,{"role":"user","content":"x"}`,
		call + `,{"role":"tool","tool_call_id":"d","content":"x"}`,
		`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,A"}}]}`,
		`{"role":"user","content":[{"type":"image_url","image_url":{"url":"/etc/passwd"}}]}`,
	} {
		if status, _, body := post(t, s, `{"model":"m","messages":[`+messages+`]}`); status != 400 || !strings.Contains(body, `"param":"messages"`) {
			t.Errorf("%s: %d %s", messages, status, body)
		}
	}
	if status, _, body := post(t, s, `{"model":`); status != 400 || !strings.Contains(body, "invalid_json") {
		t.Errorf("%d %s", status, body)
	}
}

func TestCompressed(t *testing.T) {
	s := providertest.New(t)
	for model, least := range map[string]int64{providertest.Gzip: 100, providertest.Bomb: 200 << 20} {
		_, header, body := post(t, s, `{"model":"`+model+`","messages":[{"role":"user","content":"x"}]}`)
		z, err := gzip.NewReader(strings.NewReader(body))
		if err != nil || header.Get("Content-Encoding") != "gzip" {
			t.Fatalf("%s: %v %v", model, header, err)
		}
		n, err := io.Copy(io.Discard, z)
		if err != nil || n < least || len(body) > 1<<20 {
			t.Errorf("%s: %d bytes became %d, %v", model, len(body), n, err)
		}
	}
}

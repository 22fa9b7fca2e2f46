package providertest_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/shared"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

const fourWords = "You said: one two three four"

// What is odd but legal, the official SDK understands.
func TestOddAnswersAreWhole(t *testing.T) {
	s := providertest.New(t)
	s.Delay = 20 * time.Millisecond
	c := client(s)
	for _, model := range []string{
		providertest.Compressed, providertest.Bytewise, providertest.Closing, providertest.CloseEnded, providertest.LateUsage,
	} {
		p := params(model, "one two three four")
		live, err := streamed(t, s, p)
		if err != nil || live.Choices[0].Message.Content != fourWords || live.Usage.TotalTokens == 0 {
			t.Errorf("%s: streamed: %v, %+v", model, err, live.ChatCompletion)
		}
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
		whole, err := c.Chat.Completions.New(t.Context(), p)
		if err != nil || whole.Choices[0].Message.Content != fourWords {
			t.Errorf("%s: %v, %+v", model, err, whole)
		}
	}
}

// What is broken, the official SDK does not take for an answer.
func TestBrokenAnswersAreNone(t *testing.T) {
	s := providertest.New(t)
	c := client(s)
	models := []string{providertest.Torn, providertest.ErrorFirst, providertest.GzipCut, providertest.Malformed, providertest.Cut}
	for _, model := range append(models, providertest.ClosedEarly, providertest.EndsEarly) {
		p := params(model, "one two three four")
		live, err := streamed(t, s, p)
		if err == nil && len(live.Choices) > 0 && live.Choices[0].FinishReason != "" {
			t.Errorf("%s: streamed: %+v", model, live.ChatCompletion)
		}
		if model == providertest.Torn { // only events are torn
			continue
		}
		p.StreamOptions = openai.ChatCompletionStreamOptionsParam{}
		if whole, err := c.Chat.Completions.New(t.Context(), p); err == nil && len(whole.Choices) > 0 {
			t.Errorf("%s: %+v", model, whole)
		}
	}
}

// The official SDK tells calls apart whose arguments come in turns.
func TestInterleavedCalls(t *testing.T) {
	s := providertest.New(t)
	p := params(providertest.Interleaved, "call")
	city := shared.FunctionParameters{"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}}}
	for _, name := range []string{"f", "g"} {
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: name, Parameters: city}))
	}
	got, err := streamed(t, s, p)
	if err != nil || len(got.Choices) != 1 {
		t.Fatalf("got %+v, %v", got, err)
	}
	calls := got.Choices[0].Message.ToolCalls
	if len(calls) != 2 || calls[0].Function.Arguments != `{"city":"some text"}` || calls[1].Function.Arguments != `{"city":"some text 2"}` {
		t.Errorf("got %+v", calls)
	}
}

// A client that waits only so long is let go by every way of not answering.
func TestHeadersThatNeverEnd(t *testing.T) {
	s := providertest.New(t)
	slow := &http.Transport{ResponseHeaderTimeout: 200 * time.Millisecond, MaxResponseHeaderBytes: 64 << 10}
	defer slow.CloseIdleConnections()
	for _, model := range []string{providertest.DrippedHeaders, providertest.EndlessHeaders, providertest.Reset} {
		body := strings.NewReader(`{"model":"` + model + `","messages":[{"role":"user","content":"x"}]}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/chat/completions", body)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		resp, err := slow.RoundTrip(req)
		if err == nil {
			t.Fatalf("%s: %s", model, resp.Status)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", model, took)
		}
	}
}

func TestLargeAnswers(t *testing.T) {
	s := providertest.New(t)
	status, _, body := post(t, s, `{"model":"`+providertest.Large+`","messages":[{"role":"user","content":"x"}]}`)
	if status != http.StatusOK || len(body) < 50<<20 || !strings.Contains(body, "You said: x") {
		t.Errorf("status %d, %d bytes", status, len(body))
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/chat/completions",
		strings.NewReader(`{"model":"`+providertest.Endless+`","messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if n, err := io.CopyN(io.Discard, resp.Body, 60<<20); err != nil {
		t.Errorf("an endless answer ends after %d bytes: %v", n, err)
	}
}

// A limit says when to come again in the ways that providers have.
func TestWhenToComeAgain(t *testing.T) {
	s := providertest.New(t)
	c := openai.NewClient(option.WithBaseURL(s.BaseURL()), option.WithAPIKey("sk-test"), option.WithMaxRetries(0))
	for model, header := range map[string]string{
		providertest.RateLimited: "", providertest.RateLimitedAfter: "Retry-After", providertest.RateLimitedLong: "Retry-After",
		providertest.RateLimitedDate: "Retry-After", providertest.RateLimitedMS: "Retry-After-Ms",
	} {
		p := params(model, "x")
		p.StreamOptions.IncludeUsage = param.Opt[bool]{}
		_, err := c.Chat.Completions.New(t.Context(), p)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != 429 {
			t.Fatalf("%s: %v", model, err)
		}
		if header != "" && e.Response.Header.Get(header) == "" {
			t.Errorf("%s: no %s", model, header)
		}
	}
}

// Flapping is down, and up, and down again.
func TestFlapping(t *testing.T) {
	s := providertest.New(t)
	s.Period = 50 * time.Millisecond
	var changes int
	up := false
	for began := time.Now(); time.Since(began) < 5*time.Second && changes < 3; time.Sleep(5 * time.Millisecond) {
		_, err := streamed(t, s, params(providertest.Flapping, "x"))
		if now := err == nil; now != up {
			up = now
			changes++
		}
	}
	if changes < 3 {
		t.Errorf("only %d changes", changes)
	}
}

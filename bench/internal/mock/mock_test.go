package mock

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, c Config) string {
	t.Helper()
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func post(t *testing.T, url, body string) *http.Response {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func TestChat(t *testing.T) {
	resp := post(t, serve(t, Config{Words: 7})+"/chat/completions", `{"model":"x","messages":[]}`)
	var whole struct {
		Choices []struct {
			Message      struct{ Content string }
			FinishReason string `json:"finish_reason"`
		}
		Usage struct {
			CompletionTokens int `json:"completion_tokens"`
		}
	}
	if err := json.NewDecoder(resp.Body).Decode(&whole); err != nil {
		t.Fatal(err)
	}
	if len(whole.Choices) != 1 || whole.Choices[0].Message.Content != Text(7) || whole.Choices[0].FinishReason != "stop" || whole.Usage.CompletionTokens != 7 {
		t.Errorf("got %+v", whole)
	}
}

func TestStream(t *testing.T) {
	url := serve(t, Config{Words: 5, Pace: 10 * time.Millisecond, Delay: 20 * time.Millisecond}) + "/chat/completions"
	for _, usage := range []bool{false, true} {
		ask := `{"stream": true}`
		if usage {
			ask = `{"stream":true,"stream_options":{"include_usage":true}}`
		}
		start := time.Now()
		resp := post(t, url, ask)
		var text strings.Builder
		last, usages, frames := "", 0, 0
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			last = data
			if data == "[DONE]" {
				continue
			}
			frames++
			var frame struct {
				Choices []struct {
					Delta struct{ Content string }
				}
				Usage *struct{}
			}
			if err := json.Unmarshal([]byte(data), &frame); err != nil {
				t.Fatalf("%s: %v", data, err)
			}
			if frame.Usage != nil {
				usages++
			}
			for _, c := range frame.Choices {
				text.WriteString(c.Delta.Content)
			}
		}
		want := 6
		if usage {
			want = 7
		}
		if text.String() != Text(5) || last != "[DONE]" || frames != want || (usages == 1) != usage {
			t.Errorf("usage %v: %d frames, %d usages, last %q, text %q", usage, frames, usages, last, text.String())
		}
		if took := time.Since(start); took < 60*time.Millisecond {
			t.Errorf("took %v: neither delayed nor paced", took)
		}
	}
}

func TestOthers(t *testing.T) {
	url := serve(t, Config{Words: 1})
	if resp := post(t, url+"/embeddings", `{"input":"x"}`); resp.StatusCode != http.StatusOK {
		t.Errorf("embeddings: %d", resp.StatusCode)
	}
	if resp := post(t, url+"/chat/completions", `{`); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("bad body: %d", resp.StatusCode)
	}
	resp, err := http.Get(url + "/models")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); !json.Valid(b) || !strings.Contains(string(b), `"id":"mock"`) {
		t.Errorf("models: %s", b)
	}
	for _, bad := range []Config{{}, {Words: 1, Pace: -1}, {Words: mostWords + 1}, {Words: 1, Delay: time.Hour}} {
		if _, err := New(bad); err == nil {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

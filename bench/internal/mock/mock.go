// Package mock is a provider that speaks the OpenAI wire format, answers always
// the same and costs next to nothing, so that what is measured is the gateway.
package mock

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Config says what the provider answers.
type Config struct {
	// Words is the length of the answer; streamed, each word is one chunk.
	Words int
	// Pace is the time between two chunks; 0 writes them as fast as they go.
	Pace time.Duration
	// Delay is the time before the first byte.
	Delay time.Duration
}

// Bounds of a configuration.
const (
	mostWords   = 100_000
	mostBody    = 64 << 20
	promptUsage = 40
)

// New makes the provider's handler.
func New(c Config) (http.Handler, error) {
	if c.Words < 1 || c.Words > mostWords || c.Pace < 0 || c.Pace > time.Minute || c.Delay < 0 || c.Delay > time.Minute {
		return nil, fmt.Errorf("mock: want 1 to %d words, pace and delay up to a minute", mostWords)
	}
	m := &provider{config: c}
	m.render()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/chat/completions", m.chat)
	mux.HandleFunc("POST /v1/embeddings", m.embeddings)
	mux.HandleFunc("GET /v1/models", m.models)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return mux, nil
}

// provider holds every answer ready made.
type provider struct {
	config Config
	body   []byte
	chunks [][]byte // the last is the finish
	usage  []byte
}

// Text is the answer's text for a number of words.
func Text(words int) string {
	var b strings.Builder
	for i := range words {
		b.WriteString(word(i))
	}
	return b.String()
}

// vocabulary is plain prose: nothing in it looks like what a guardrail seeks.
var vocabulary = strings.Fields("the gate opens when a cart has paid its toll and closes behind it again")

func word(i int) string {
	if i == 0 {
		return "The"
	}
	return " " + vocabulary[i%len(vocabulary)]
}

func (m *provider) render() {
	const head = `"id":"chatcmpl-mock","created":1760000000,"model":"mock","system_fingerprint":"fp_mock"`
	n := m.config.Words
	usage := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":0}}`, promptUsage, n, promptUsage+n)
	m.body = fmt.Appendf(nil, `{%s,"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":%s,"refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":%s}`,
		head, strconv.Quote(Text(n)), usage)
	frame := func(choices, rest string) []byte {
		return fmt.Appendf(nil, "data: {%s,\"object\":\"chat.completion.chunk\",\"choices\":%s%s}\n\n", head, choices, rest)
	}
	for i := range n {
		role := ""
		if i == 0 {
			role = `"role":"assistant",`
		}
		m.chunks = append(m.chunks, frame(fmt.Sprintf(`[{"index":0,"delta":{%s"content":%s},"logprobs":null,"finish_reason":null}]`, role, strconv.Quote(word(i))), ""))
	}
	m.chunks = append(m.chunks, frame(`[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]`, ""))
	m.usage = frame(`[]`, `,"usage":`+usage)
}

func (m *provider) chat(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Stream        bool `json:"stream"`
		StreamOptions struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBody))
	if err == nil {
		err = json.Unmarshal(body, &ask)
	}
	if err != nil {
		http.Error(w, `{"error":{"message":"cannot read the body","type":"invalid_request_error","param":null,"code":null}}`, http.StatusBadRequest)
		return
	}
	if !wait(r, m.config.Delay) {
		return
	}
	if !ask.Stream {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(m.body)))
		_, _ = w.Write(m.body)
		return
	}
	m.stream(w, r, ask.StreamOptions.IncludeUsage)
}

// stream writes chunk after chunk, each on time by the stream's own clock, so
// that a slow write does not slow the pace.
func (m *provider) stream(w http.ResponseWriter, r *http.Request, usage bool) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	start := time.Now()
	for i, chunk := range m.chunks {
		if m.config.Pace > 0 && !wait(r, time.Until(start.Add(time.Duration(i)*m.config.Pace))) {
			return
		}
		if _, err := w.Write(chunk); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
	}
	if usage {
		_, _ = w.Write(m.usage)
	}
	_, _ = io.WriteString(w, "data: [DONE]\n\n")
}

// wait says false if the client went away meanwhile.
func wait(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return r.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func (m *provider) embeddings(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, mostBody))
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"object":"list","model":"mock","data":[{"object":"embedding","index":0,"embedding":[0.6,0,0.8]}],"usage":{"prompt_tokens":4,"total_tokens":4}}`)
}

func (m *provider) models(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"object":"list","data":[{"id":"mock","object":"model","created":1760000000,"owned_by":"bench"}]}`)
}

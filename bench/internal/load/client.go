package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tollgate/tollgate/bench/internal/loopback"
)

// client sends requests to one gateway.
type client struct {
	http *http.Client
	url  string
	key  string
	body map[Mode][]byte
}

func newClient(g Gateway, p Plan) (*client, error) {
	model := g.Model
	if model == "" {
		model = p.Model
	}
	c := &client{url: g.URL.String() + "/chat/completions", key: g.key, body: map[Mode][]byte{}, http: &http.Client{
		Timeout: p.Timeout,
		Transport: &http.Transport{
			DialContext: loopback.Dial, MaxIdleConnsPerHost: p.Clients, MaxIdleConns: p.Clients, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	for _, mode := range p.Modes {
		ask := map[string]any{
			"model":    model,
			"messages": []any{map[string]string{"role": "user", "content": prompt(p.PromptBytes)}},
		}
		if mode == Stream {
			ask["stream"] = true
			ask["stream_options"] = map[string]bool{"include_usage": true}
		}
		body, err := json.Marshal(ask)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		c.body[mode] = body
	}
	return c, nil
}

// prompt is prose of a given length, in which no guardrail should find anything.
func prompt(n int) string {
	const text = "Please tell me in a few words how a cart passes the gate once it has paid its toll. "
	return strings.Repeat(text, n/len(text)+1)[:n]
}

func (c *client) close() { c.http.CloseIdleConnections() }

// answer is what came back.
type answer struct {
	first  time.Duration // until the first text; streamed answers only
	chunks int           // frames with text; streamed answers only
	text   string        // kept only if asked for
	usage  bool          // a usage came
}

// send sends one request and reads the whole answer. An answer that is cut, or
// that is no answer, is an error. The text is taken only from samples: parsing
// would take the CPU that is to be measured.
func (c *client) send(ctx context.Context, mode Mode, sample bool) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body[mode]))
	if err != nil {
		return answer{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, fmt.Errorf("send: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return answer{}, fmt.Errorf("status %d: %s", resp.StatusCode, bytes.TrimSpace(text))
	}
	if mode == Stream {
		return readStream(resp.Body, start, sample)
	}
	return readChat(resp.Body, sample)
}

func readChat(body io.Reader, sample bool) (answer, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	if !sample {
		if !bytes.Contains(b, []byte(`"choices"`)) {
			return answer{}, fmt.Errorf("answer has no choices")
		}
		return answer{}, nil
	}
	var whole struct {
		Choices []struct {
			Message struct{ Content string }
		}
		Usage *struct{}
	}
	if err := json.Unmarshal(b, &whole); err != nil {
		return answer{}, fmt.Errorf("parse answer: %w", err)
	}
	if len(whole.Choices) == 0 {
		return answer{}, fmt.Errorf("answer has no choices")
	}
	return answer{text: whole.Choices[0].Message.Content, usage: whole.Usage != nil}, nil
}

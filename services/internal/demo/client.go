package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// client talks to the demo's Tollgate as any HTTP client would.
type client struct {
	url string
	key secret.String
}

// answer is a streamed chat completion.
type answer struct {
	header  http.Header
	trailer http.Header
	text    string
}

// chat asks over the OpenAI wire format and calls onText with each piece.
func (c *client) chat(ctx context.Context, model, question string, onText func(string)) (*answer, error) {
	body, err := json.Marshal(map[string]any{
		"model": model, "stream": true, "stream_options": map[string]any{"include_usage": true},
		"messages": []map[string]string{{"role": "user", "content": question}},
	})
	if err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	resp, err := c.send(ctx, http.MethodPost, "/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, readRefusal(resp)
	}
	a := &answer{header: resp.Header}
	var text strings.Builder
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		piece, err := contentOf(data)
		if err != nil {
			return nil, err
		}
		text.WriteString(piece)
		if piece != "" {
			onText(piece)
		}
	}
	a.text, a.trailer = text.String(), resp.Trailer
	return a, lines.Err()
}

func contentOf(data string) (string, error) {
	var chunk struct {
		Choices []struct {
			Delta struct {
				Content string `json:"content"`
			} `json:"delta"`
		} `json:"choices"`
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal([]byte(data), &chunk); err != nil {
		return "", fmt.Errorf("read chunk: %w", err)
	}
	if chunk.Error != nil {
		return "", fmt.Errorf("the stream failed: %s", chunk.Error.Message)
	}
	if len(chunk.Choices) == 0 {
		return "", nil
	}
	return chunk.Choices[0].Delta.Content, nil
}

// refusal is an error answer in OpenAI's form.
type refusal struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (r *refusal) Error() string { return r.Message }

func readRefusal(resp *http.Response) error {
	var body struct {
		Error *refusal `json:"error"`
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(data, &body) != nil || body.Error == nil {
		return fmt.Errorf("answered with %s", resp.Status)
	}
	body.Error.status = resp.StatusCode
	return body.Error
}

// rest sends one REST request and reads its answer.
func (c *client) rest(ctx context.Context, method, path string, body io.Reader, out proto.Message) error {
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, data)
	}
	if err := protojson.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

func (c *client) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.url+path, body)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	req.Header.Set("Content-Type", "application/json")
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		req.Header.Set("traceparent", fmt.Sprintf("00-%s-%s-01", span.TraceID(), span.SpanID()))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach Tollgate: %w", err)
	}
	return resp, nil
}

// logFile keeps the log, to be shown only if something fails.
type logFile struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns what was written.
func (l *logFile) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

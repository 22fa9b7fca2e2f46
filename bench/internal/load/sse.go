package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

// readStream reads server-sent events to the end. It must end with [DONE]: a
// connection that closes before is a cut answer.
func readStream(body io.Reader, start time.Time, sample bool) (answer, error) {
	in, _ := readers.Get().(*bufio.Reader)
	in.Reset(body)
	defer readers.Put(in)
	var a answer
	var text strings.Builder
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return a, fmt.Errorf("stream cut after %d chunks: %w", a.chunks, err)
		}
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			if bytes.HasPrefix(line, []byte("event: error")) {
				return a, fmt.Errorf("error event after %d chunks", a.chunks)
			}
			continue
		}
		data = bytes.TrimSpace(data)
		if string(data) == "[DONE]" {
			a.text = text.String()
			return a, finish(in, a)
		}
		if bytes.HasPrefix(data, []byte(`{"error"`)) {
			return a, fmt.Errorf("error after %d chunks: %.200s", a.chunks, data)
		}
		if err := a.take(data, &text, sample); err != nil {
			return a, err
		}
		if a.chunks == 1 && a.first == 0 {
			a.first = time.Since(start)
		}
	}
}

// finish reads to the end of the body, so that the connection is used again.
func finish(in io.Reader, a answer) error {
	if _, err := io.Copy(io.Discard, in); err != nil {
		return fmt.Errorf("read end: %w", err)
	}
	if a.chunks == 0 {
		return fmt.Errorf("stream without text")
	}
	return nil
}

// take counts a frame with text. Without a sample it only looks for a text that
// is not empty.
func (a *answer) take(data []byte, text *strings.Builder, sample bool) error {
	if !sample {
		if i := bytes.Index(data, []byte(`"content":`)); i >= 0 {
			rest := bytes.TrimLeft(data[i+len(`"content":`):], " ")
			if len(rest) > 1 && rest[0] == '"' && rest[1] != '"' {
				a.chunks++
			}
		}
		return nil
	}
	var frame struct {
		Choices []struct {
			Delta struct{ Content string }
		}
		Usage *struct{}
	}
	if err := json.Unmarshal(data, &frame); err != nil {
		return fmt.Errorf("parse chunk: %w", err)
	}
	a.usage = a.usage || frame.Usage != nil
	if len(frame.Choices) > 0 && frame.Choices[0].Delta.Content != "" {
		a.chunks++
		text.WriteString(frame.Choices[0].Delta.Content)
	}
	return nil
}

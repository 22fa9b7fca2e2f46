package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// connection is how a command finds a running Tollgate. It speaks REST, so
// that one address does whether the services share a process or not.
type connection struct {
	URL     string `help:"Address of the HTTP edge." default:"http://127.0.0.1:8080" env:"TOLLGATE_URL"`
	Key     string `help:"Virtual key; by default the one in <data>/admin.key." env:"TOLLGATE_API_KEY"`
	DataDir string `help:"Data folder in which to look for admin.key." default:"./tollgate-data" env:"TOLLGATE_DATA_DIR"`

	client *http.Client // nil for the usual one
}

var errNoKey = errors.New("no key: pass --key, set TOLLGATE_API_KEY, or run in the folder where tollgate serve keeps tollgate-data/admin.key")

func (c connection) key() (string, error) {
	if c.Key != "" {
		return c.Key, nil
	}
	data, err := os.ReadFile(filepath.Join(c.DataDir, "admin.key"))
	if err != nil {
		return "", errNoKey
	}
	return strings.TrimSpace(string(data)), nil
}

// call sends one REST request and reads its answer; a nil in sends no body.
func (c connection) call(ctx context.Context, method, path string, in, out proto.Message) error {
	var body io.Reader
	if in != nil {
		data, err := protojson.Marshal(in)
		if err != nil {
			return fmt.Errorf("write request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	resp, err := c.send(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if err := protojson.Unmarshal(data, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", path, err)
	}
	return nil
}

// send sends one request and turns an error answer into an error.
func (c connection) send(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(c.URL, "/")+path, body)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := cmp.Or(c.client, http.DefaultClient).Do(req)
	if err != nil {
		return nil, fmt.Errorf("reach Tollgate (is tollgate serve running?): %w", err)
	}
	if resp.StatusCode >= http.StatusBadRequest {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}

func readError(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	type said struct {
		Message string `json:"message"`
	}
	var status struct {
		said
		Error said `json:"error"` // of what would have been a stream
	}
	if json.Unmarshal(data, &status) == nil && cmp.Or(status.Message, status.Error.Message) != "" {
		return errors.New(cmp.Or(status.Message, status.Error.Message))
	}
	return fmt.Errorf("answered with %s", resp.Status)
}

// stream sends in and calls each with every message of the streamed answer.
// newMessage makes the message to read into.
func stream[M proto.Message](ctx context.Context, c connection, path string, in proto.Message, newMessage func() M, each func(M) error) error {
	data, err := protojson.Marshal(in)
	if err != nil {
		return fmt.Errorf("write request: %w", err)
	}
	resp, err := c.send(ctx, http.MethodPost, path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var line struct {
			Result json.RawMessage `json:"result"`
			Error  *struct {
				Message string `json:"message"`
			} `json:"error"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		if line.Error != nil {
			return errors.New(line.Error.Message)
		}
		message := newMessage()
		if err := protojson.Unmarshal(line.Result, message); err != nil {
			return fmt.Errorf("read stream: %w", err)
		}
		if err := each(message); err != nil {
			return err
		}
	}
	return lines.Err()
}

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// sdk is the official OpenAI client, pointed at the deployment.
func (d *deployment) sdk(key string) openai.Client {
	return openai.NewClient(option.WithBaseURL(d.url+"/v1"), option.WithAPIKey(key), option.WithMaxRetries(0))
}

// rest sends one REST request and fails the test on an error status.
func (d *deployment) rest(method, path string, in, out proto.Message) {
	d.t.Helper()
	status, body := d.restRaw(d.key, method, path, in)
	if status != http.StatusOK {
		d.t.Fatalf("%s %s: %d %s", method, path, status, body)
	}
	if err := protojson.Unmarshal(body, out); err != nil {
		d.t.Fatalf("%s %s: %v in %s", method, path, err, body)
	}
}

func (d *deployment) restRaw(key, method, path string, in proto.Message) (int, []byte) {
	d.t.Helper()
	var body io.Reader
	if in != nil {
		data, err := protojson.Marshal(in)
		if err != nil {
			d.t.Fatal(err)
		}
		body = bytes.NewReader(data)
	}
	resp := d.do(context.Background(), key, method, path, body)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return resp.StatusCode, data
}

func (d *deployment) do(ctx context.Context, key, method, path string, body io.Reader, headers ...string) *http.Response {
	d.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, body)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp
}

// newKey makes a key over REST and returns its secret.
func (d *deployment) newKey(key *accountv1.Key) (name, secret string) {
	d.t.Helper()
	created := d.newAWSKey(key)
	return created.GetKey().GetName(), created.GetSecret()
}

// newAWSKey makes a key over REST and returns all that belongs to it.
func (d *deployment) newAWSKey(key *accountv1.Key) *accountv1.CreateKeyResponse {
	d.t.Helper()
	if len(key.Roles) == 0 {
		key.Roles = []accountv1.Role{accountv1.Role_ROLE_DEVELOPER}
	}
	created := &accountv1.CreateKeyResponse{}
	d.rest(http.MethodPost, "/api/v1/keys", &accountv1.CreateKeyRequest{Key: key}, created)
	return created
}

// rows returns the ledger rows of a request once its last attempt is there.
func (d *deployment) rows(requestID string) []*billingv1.UsageRow {
	d.t.Helper()
	var list billingv1.ListUsageResponse
	deadline := time.Now().Add(15 * time.Second)
	for time.Now().Before(deadline) {
		list.Reset()
		d.rest(http.MethodGet, "/api/v1/usage?requestId="+requestID, nil, &list)
		for _, row := range list.GetRows() {
			if row.GetRecord().GetLast() {
				return list.GetRows()
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	d.t.Fatalf("request %s has no last row after 15 s: %v", requestID, list.GetRows())
	return nil
}

// chatBody is a minimal chat completion request.
func chatBody(t testing.TB, model, question string, stream bool) io.Reader {
	t.Helper()
	data, err := json.Marshal(map[string]any{
		"model": model, "stream": stream,
		"messages": []map[string]string{{"role": "user", "content": question}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(data)
}

// ask sends a plain chat request and returns its request id and text.
func (d *deployment) ask(model, question string) (requestID, text string, header http.Header) {
	d.t.Helper()
	resp := d.do(context.Background(), d.key, http.MethodPost, "/v1/chat/completions", chatBody(d.t, model, question, false))
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		d.t.Fatalf("chat with %s: %s: %s", model, resp.Status, data)
	}
	var answer openai.ChatCompletion
	if err := json.Unmarshal(data, &answer); err != nil {
		d.t.Fatalf("read answer: %v in %s", err, data)
	}
	return resp.Header.Get("x-tollgate-request-id"), answer.Choices[0].Message.Content, resp.Header
}

// isComplete says whether an SSE body ended with the terminal event and without an error.
func isComplete(body string) bool {
	return strings.HasSuffix(strings.TrimSpace(body), "data: [DONE]") && !strings.Contains(body, `"error"`)
}

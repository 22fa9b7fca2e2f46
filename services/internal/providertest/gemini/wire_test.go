package gemini_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/gemini"
)

// post sends a body that no SDK writes.
func post(t *testing.T, s *gemini.Server, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

const plain = `{"contents":[{"parts":[{"text":"one two"}]}]}`

// Without alt=sse a stream is a JSON array, and so is its error.
func TestArray(t *testing.T) {
	s := gemini.New(t)
	for _, model := range []string{"m", providertest.Tiny, providertest.OneWrite} {
		status, body := post(t, s, "/v1beta/models/"+model+":streamGenerateContent?key=k", plain)
		var chunks []struct {
			Candidates []struct {
				FinishReason string
				Content      struct{ Parts []struct{ Text string } }
			}
		}
		if err := json.Unmarshal([]byte(body), &chunks); err != nil || status != 200 || len(chunks) < 3 {
			t.Fatalf("%s: %d %s %v", model, status, body, err)
		}
		if last := chunks[len(chunks)-1].Candidates[0]; last.FinishReason != "STOP" || len(last.Content.Parts) > 0 {
			t.Errorf("%s: %s", model, body)
		}
	}
	status, body := post(t, s, "/v1beta/models/"+providertest.Overloaded+":streamGenerateContent?key=k", plain)
	if status != 503 || !strings.HasPrefix(body, `[{"error":{"code":503`) {
		t.Errorf("%d %s", status, body)
	}
	for model, want := range map[string]string{providertest.EndsEarly: `"text"`, providertest.ErrorInStream: `"UNAVAILABLE"`} {
		if _, body := post(t, s, "/v1beta/models/"+model+":streamGenerateContent?key=k", plain); json.Valid([]byte(body)) || !strings.Contains(body, want) {
			t.Errorf("%s: %s", model, body)
		}
	}
	if last := s.Last(); last.Query.Get("key") != "k" || !last.Stream {
		t.Errorf("recorded %+v", last)
	}
}

func TestRefusesWhatTheRealOneRefuses(t *testing.T) {
	s := gemini.New(t)
	part := func(p string) string { return `{"contents":[{"role":"user","parts":[` + p + `]}]}` }
	call := `{"contents":[{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]}`
	config := func(c string) string { return strings.TrimSuffix(plain, "}") + `,"generation_config":` + c + `}` }
	tools := func(c string) string { return strings.TrimSuffix(plain, "}") + `,"tools":` + c + `}` }
	for body, want := range map[string]string{
		`{`:                           "Invalid JSON payload",
		`{}`:                          "contents is not specified",
		`{"contents":[],"n":1}`:       `Unknown name \"n\"`,
		`{"contents":[{"parts":[]}]}`: "must not be empty",
		`{"contents":[{"role":"assistant","parts":[{"text":"x"}]}]}`: "valid role",
		part(`{}`): "oneof field",
		part(`{"text":"a","inlineData":{"mimeType":"image/png","data":"AQID"}}`): "oneof field",
		part(`{"inlineData":{"mimeType":"image/png","data":"A"}}`):               "Base64",
		part(`{"inline_data":{"mime_type":"image/tiff","data":"AQID"}}`):         "Unsupported MIME type",
		part(`{"functionResponse":{"name":"f","response":{}}}`):                  "equal to the number",
		call + `]}`: "followed by a function response",
		call + `,{"role":"user","parts":[{"text":"x"}]}]}`:                                     "equal to the number",
		call + `,{"role":"user","parts":[{"functionResponse":{"name":"f","response":"x"}}]}]}`: "Struct",
		config(`{"temperature":3}`):                                                            "temperature",
		config(`{"temperature":"hot"}`):                                                        "Invalid value",
		config(`{"responseSchema":{"type":"OBJECT"}}`):                                         "response mime type",
		config(`{"responseMimeType":"application/json","responseSchema":{"type":"object","additionalProperties":false}}`): `Unknown name \"additionalProperties\"`,
		config(`{"responseMimeType":"application/json","responseSchema":{"type":["string","null"]}}`):                     "Invalid value",
		tools(`[{"functionDeclarations":[{"name":"f","parameters":{"type":"object","properties":{"a":{"const":1}}}}]}]`):  `Unknown name \"const\"`,
		tools(`[{"functionDeclarations":[{"name":"1"}]}]`):                                                                "Invalid function name",
	} {
		if status, got := post(t, s, "/v1beta/models/m:generateContent?key=k", body); status != 400 || !strings.Contains(got, want) {
			t.Errorf("%s: %d %s", body, status, got)
		}
	}
	unsigned := call + `,{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}]}`
	if status, got := post(t, s, "/v1beta/models/gemini-3-pro:generateContent?key=k", unsigned); status != 400 || !strings.Contains(got, "missing a thought_signature") {
		t.Errorf("%d %s", status, got)
	}
	s.Key = "other"
	for path, want := range map[string]int{
		"/v1beta/models/m:generateContent":                                      403,
		"/v1beta/models/m:generateContent?key=k":                                400,
		"/v1/projects/p/locations/l/publishers/google/models/m:generateContent": 401,
		"/v1beta/models/m:generateContent?key=other":                            200,
		"/v1beta/models/m:invent?key=other":                                     404,
		"/elsewhere":                                                            404,
	} {
		if status, body := post(t, s, path, plain); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

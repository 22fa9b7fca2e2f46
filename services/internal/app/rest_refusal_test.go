package app

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// refused is what a request over REST was answered with.
type refused struct {
	status int
	later  bool // it says when to come again
	body   string
}

// rest sends a request and, if it is a stream that begins, reads its first line.
func rest(t *testing.T, a *App, path, body string) refused {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.HTTPAddr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+a.AdminKey().Reveal())
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if err != nil && err != io.EOF {
		t.Fatal(err)
	}
	return refused{resp.StatusCode, resp.Header.Get("Retry-After") != "", line}
}

func restRequest(model string) string {
	return fmt.Sprintf(`{"conversation":{"model":%q,"messages":[{"role":"ROLE_USER","parts":[{"text":{"text":"hello"}}]}]}}`, model)
}

const drillOfFake = `{"targets": ["fake"], "faults": {"blackhole": true}, "during": "60s", "allowOutage": %v}`

// A drill that may not run now is a conflict, for REST too.
func TestRefusedDrillIsAConflict(t *testing.T) {
	a, stop := start(t, settings(t.TempDir(), providertest.New(t).BaseURL(), "m"), "")
	defer stop()
	for _, c := range []struct {
		what        string
		allowOutage bool
		status      int
		says        string
	}{
		{"nobody would be left", false, http.StatusConflict, `"CONFLICT"`},
		{"the first", true, http.StatusOK, `"drills/`},
		{"the second", true, http.StatusConflict, "another drill is running"},
	} {
		got := rest(t, a, "/api/v1/drills:run", fmt.Sprintf(drillOfFake, c.allowOutage))
		if got.status != c.status || !strings.Contains(got.body, c.says) {
			t.Errorf("%s: %+v", c.what, got)
		}
	}
}

// A stream that does not begin has the status of its error's reason, and says
// when to come again, as an answer that is no stream does.
func TestRefusedStreamHasTheStatusOfItsReason(t *testing.T) {
	a, stop := start(t, settings(t.TempDir(), providertest.New(t).BaseURL(), `"*"`), "")
	defer stop()
	for model, want := range map[string]refused{
		providertest.Unavailable:     {http.StatusBadGateway, false, "PROVIDER_UNAVAILABLE"},
		providertest.RateLimitedLong: {http.StatusTooManyRequests, true, "PROVIDER_RATE_LIMITED"},
		providertest.Rejected:        {http.StatusBadRequest, false, "PROVIDER_REJECTED"},
	} {
		for _, path := range []string{"/api/v1/generate", "/api/v1/generate:stream"} {
			got := rest(t, a, path, restRequest(model))
			if got.status != want.status || got.later != want.later || !strings.Contains(got.body, want.body) {
				t.Errorf("%s at %s: %+v", model, path, got)
			}
		}
	}
}

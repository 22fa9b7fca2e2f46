package httpserver_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
)

// TestHTTP2WithoutTLS: bodies, flushed pieces and trailers cross; a handler
// that panics behind its first byte breaks the answer off.
func TestHTTP2WithoutTLS(t *testing.T) {
	r := start(t, defaults(), func(w http.ResponseWriter, req *http.Request) {
		body, err := httpserver.ReadBody(w, req)
		if err != nil {
			httpserver.WriteError(w, req, err)
			return
		}
		w.Header().Set("Trailer", "X-End")
		_, _ = w.Write(body)
		_ = http.NewResponseController(w).Flush()
		if req.URL.Path == "/panic" {
			panic("behind the first byte")
		}
		_, _ = io.WriteString(w, req.Proto)
		w.Header().Set("X-End", "yes")
	})
	transport := &http.Transport{Protocols: &http.Protocols{}}
	transport.Protocols.SetUnencryptedHTTP2(true)
	defer transport.CloseIdleConnections()
	ask := func(path string) (*http.Response, string, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+path, strings.NewReader("body "))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		return resp, string(text), err
	}
	resp, text, err := ask("/")
	if err != nil || text != "body HTTP/2.0" || resp.Trailer.Get("X-End") != "yes" {
		t.Errorf("%q, %v, %v", text, resp.Trailer, err)
	}
	if _, text, err = ask("/panic"); err == nil {
		t.Errorf("an answer that was broken off looks complete: %q", text)
	}
}

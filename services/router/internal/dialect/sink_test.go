package dialect

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

type plain struct{}

func (plain) Sources([]*llmv1.Citation)                 {}
func (plain) Append(dst []byte, c *stream.Chunk) []byte { return append(dst, c.Events[0].Delta...) }
func (plain) End(dst []byte) []byte                     { return dst }
func (plain) Fail(dst []byte, _ error) []byte           { return dst }

// A stream that another target went on with says so behind its end: its headers
// had gone before anybody knew.
func TestTrailersOfARecoveredStream(t *testing.T) {
	for recoveries, want := range map[int32][3]string{0: {"0", "", ""}, 1: {"1", "west", "2"}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			s := newSink(w, "text/plain", plain{})
			s.Open(&routerv1.RequestReport{Target: "east", Attempts: 1})
			_ = s.WriteChunk(&stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte("hello")}}})
			_ = s.Finish(&routerv1.RequestReport{Target: "west", Attempts: 2, Recoveries: recoveries})
			s.release()
		}))
		resp, err := server.Client().Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello" {
			t.Errorf("%q, %v", body, err)
		}
		_ = resp.Body.Close()
		server.Close()
		got := [3]string{resp.Trailer.Get(headerRecovered), resp.Trailer.Get(headerTarget), resp.Trailer.Get(headerAttempts)}
		if got != want || resp.Header.Get(headerTarget) != "east" || resp.Header.Get(headerAttempts) != "1" {
			t.Errorf("%d recoveries: trailers %q, headers %v", recoveries, got, resp.Header)
		}
	}
}

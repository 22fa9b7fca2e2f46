package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a decoder that takes frames as text.
type lines struct{ said []string }

func (l *lines) Decode(frame []byte, c *stream.Chunk) error {
	*c = stream.Chunk{}
	if string(frame) == sse.Done {
		return io.EOF
	}
	l.said = append(l.said, string(frame))
	return nil
}
func (l *lines) Started() bool     { return len(l.said) > 0 }
func (l *lines) Finished(int) bool { return false }

func client(t *testing.T, s *providertest.Server, timeouts provider.Timeouts) *Client {
	t.Helper()
	c, err := New(provider.Target{Name: "t", BaseURL: s.BaseURL(), Timeouts: timeouts}, Options{
		Refusal: func(status int, _ http.Header, _ []byte) error {
			return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "status %d", status)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func body(model string, streamed string) []byte {
	return []byte(`{"model":"` + model + `","stream":` + streamed + `,"messages":[{"role":"user","content":"one two three four"}]}`)
}

func open(ctx context.Context, c *Client, model string) ([]string, error) {
	d := &lines{}
	r, err := c.Stream(ctx, "/chat/completions", body(model, "true"), Format{
		MediaType: "text/event-stream", Objects: true, Decoder: d,
		Frames: func(src io.Reader) Frames { return sse.NewReader(src) },
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	for {
		if _, err := r.Next(); err != nil {
			return d.said, err
		}
	}
}

// A body larger than any answer is cut off, and soon; nothing of it is kept.
func TestLargeBodies(t *testing.T) {
	s := providertest.New(t)
	c := client(t, s, provider.Timeouts{})
	for _, model := range []string{providertest.Large, providertest.Endless, providertest.Bomb} {
		_, err := c.Post(t.Context(), "/chat/completions", body(model, "false"))
		if e := errs.From(err); err == nil || e.Reason != llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE || !errors.Is(err, provider.ErrPersistent) {
			t.Errorf("%s: %v", model, err)
		}
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 32<<20 {
		t.Errorf("%d bytes are kept", m.HeapAlloc)
	}
	if got, err := c.PostForVectors(t.Context(), "/chat/completions", body(providertest.Large, "false")); err != nil || len(got) < 50<<20 {
		t.Errorf("vectors: %d bytes, %v", len(got), err)
	}
	said, err := open(t.Context(), c, providertest.Endless)
	if err == nil || errors.Is(err, io.EOF) || len(said) == 0 {
		t.Errorf("an endless event: %q, %v", said, err)
	}
}

// Headers that never end are given up: by their size, or by their time, however
// they come.
func TestHeaders(t *testing.T) {
	s := providertest.New(t)
	c := client(t, s, provider.Timeouts{ResponseHeaders: config.Duration(200 * time.Millisecond)})
	for model, reason := range map[string]llmv1.ErrorReason{
		providertest.EndlessHeaders: llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		providertest.DrippedHeaders: llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT,
		providertest.Silent:         llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT,
	} {
		began := time.Now()
		_, err := open(t.Context(), c, model)
		if e := errs.From(err); err == nil || e.Reason != reason {
			t.Errorf("%s: %v", model, err)
		}
		if _, err = c.Post(t.Context(), "/chat/completions", body(model, "false")); !errs.Is(err, reason) {
			t.Errorf("%s, whole: %v", model, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v", model, took)
		}
	}
	// Behind the headers that timeout says nothing any more.
	s.Delay = 300 * time.Millisecond
	if said, err := open(t.Context(), c, providertest.SlowFirstToken); !errors.Is(err, io.EOF) || len(said) == 0 {
		t.Errorf("a slow first token: %q, %v", said, err)
	}
}

// Noise is stepped over, a torn frame is not.
func TestNoise(t *testing.T) {
	s := providertest.New(t)
	c := client(t, s, provider.Timeouts{})
	said, err := open(t.Context(), c, providertest.Noise)
	if !errors.Is(err, io.EOF) || strings.Contains(strings.Join(said, ""), "<!--") {
		t.Errorf("noise: %q, %v", said, err)
	}
	if said, _ := open(t.Context(), c, providertest.Torn); !strings.Contains(strings.Join(said, ""), "You ") {
		t.Errorf("torn: %q", said) // the decoder sees both pieces, and judges
	}
	flood := strings.NewReader(strings.Repeat("data: noise\n\n", maxNoise+1) + "data: {}\n\n")
	r := &reader{ctx: t.Context(), frames: sse.NewReader(flood), decoder: &lines{}, objects: true}
	if _, err := r.Next(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("a flood of noise: %v", err)
	}
	for frame, want := range map[string]bool{
		`{"a":1}`: false, `[DONE]`: false, ` {`: false, "\ufeff{}": false, "": false, `<html>`: true, `ent":"lo"}}]}`: false, "wait": true, `"text"`: true, "1": true,
	} {
		if noise([]byte(frame)) != want {
			t.Errorf("noise(%q) is not %v", frame, want)
		}
	}
}

// Who cannot be connected to in time is not asked again; nothing was sent.
func TestUnreached(t *testing.T) {
	for _, tc := range []struct {
		err    error
		reason llmv1.ErrorReason
		unsent bool
	}{
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, true},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, false},
		{io.ErrUnexpectedEOF, llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, false},
	} {
		err := failed(t.Context(), tc.err)
		if !errs.Is(err, tc.reason) || errors.Is(err, provider.ErrUnreached) != tc.unsent {
			t.Errorf("%v: %v, unsent %v", tc.err, errs.From(err).ReasonName(), !tc.unsent)
		}
	}
}

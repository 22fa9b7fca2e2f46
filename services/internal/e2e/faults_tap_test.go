package e2e

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// seen is what came over the wire for one question, beside what the SDK made of it.
type seen struct {
	mu      sync.Mutex
	request string // Tollgate's id of it
	status  int
	began   time.Time
	first   time.Duration // until the first byte of the body
	last    time.Time
	gap     time.Duration // the longest wait between two pieces of the body
	body    bytes.Buffer
	ended   error
}

type seenKey struct{}

// watched gives the requests that are made with ctx a place to note what comes.
func watched(ctx context.Context) (context.Context, *seen) {
	s := &seen{began: time.Now()}
	return context.WithValue(ctx, seenKey{}, s), s
}

// tap is a transport that notes what comes, for those who watch.
type tap struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t tap) RoundTrip(r *http.Request) (*http.Response, error) {
	s, ok := r.Context().Value(seenKey{}).(*seen)
	resp, err := t.next.RoundTrip(r)
	if !ok || err != nil {
		return resp, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.request, s.status = resp.Header.Get("x-tollgate-request-id"), resp.StatusCode
	resp.Body = &tapped{resp.Body, s}
	return resp, nil
}

type tapped struct {
	io.ReadCloser
	seen *seen
}

func (t *tapped) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.seen.note(p[:n], err)
	return n, err
}

func (s *seen) note(p []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case len(p) == 0:
	case s.last.IsZero():
		s.first, s.last = now.Sub(s.began), now
	default:
		s.gap, s.last = max(s.gap, now.Sub(s.last)), now
	}
	s.body.Write(p)
	s.ended = err
}

package preempt

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/drain"
)

// Bounds of an exchange with a metadata service.
const (
	maxBody    = 64 << 10
	askTimeout = 5 * time.Second
	// waitFor is how long Google's service may take to say that nothing changed.
	waitFor = 60 * time.Second
)

// asker asks a metadata service once. Without a notice it returns nil.
type asker interface {
	ask(ctx context.Context) (*drain.Notice, error)
}

// watcher is what the askers share.
type watcher struct {
	base   string
	client *http.Client
}

// Watch returns the notice once it comes, or nil when ctx ends. A metadata
// service that cannot be reached is asked again: that is no notice.
func Watch(ctx context.Context, cfg Config, log *slog.Logger) *drain.Notice {
	if !cfg.Enabled() {
		return nil
	}
	p := providers[cfg.Provider]
	w := &watcher{base: strings.TrimRight(p.url, "/"), client: newClient()}
	if cfg.URL != "" {
		w.base = strings.TrimRight(cfg.URL, "/")
	}
	defer w.client.CloseIdleConnections()
	interval := cfg.Interval.Std()
	if interval == 0 {
		interval = defaultInterval
	}
	from := p.ask(w)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for {
		notice, err := from.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case notice != nil:
			return notice
		case (err != nil) != failing:
			failing = err != nil
			report(ctx, log, cfg.Provider, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// report says once that the service cannot be asked, and once that it can again.
func report(ctx context.Context, log *slog.Logger, provider string, err error) {
	if err != nil {
		log.WarnContext(ctx, "the metadata service cannot be asked for a preemption notice", slog.String("provider", provider), slog.Any("error", err))
		return
	}
	log.InfoContext(ctx, "the metadata service can be asked for a preemption notice again", slog.String("provider", provider))
}

// newClient makes a client that asks the machine's own service and nobody else:
// no proxy stands between, and nobody is followed elsewhere.
func newClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// answer is what the service said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks for a path, with one header.
func (w *watcher) get(ctx context.Context, method, path, header, value string, timeout time.Duration) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.base+path, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set(header, value)
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

// unexpected is an answer that says nothing of a notice.
func (a *answer) unexpected(what string) error { return fmt.Errorf("%s: status %d", what, a.status) }

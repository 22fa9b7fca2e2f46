package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// load is requests that a command makes by itself, through the public API and
// with its key, so that they are held, guarded and booked as any other.
type load struct {
	Load     string `help:"Requests to make meanwhile, for example 20/s; by default none." group:"Load"`
	Model    string `help:"The model that they ask for." group:"Load"`
	Stream   bool   `help:"Ask for streams." group:"Load"`
	Inflight int    `help:"The most requests at once; what would be more is not sent." default:"200" group:"Load"`
	Limit    int64  `help:"The most tokens of an answer." default:"200" group:"Load"`
}

// Bounds of the load.
const (
	maxRate     = 1000 // a second
	maxInflight = 5000
)

// shooting is a load under way.
type shooting struct {
	load
	connection
	cancel context.CancelFunc
	free   chan struct{} // holds a token for each request that may be made
	work   sync.WaitGroup

	mu                   sync.Mutex
	sent, whole, skipped int64
	failures             map[string]int64
}

// rate reads requests a second, as in "20/s" or "90/m".
func (l *load) rate() (float64, error) {
	number, unit, _ := strings.Cut(l.Load, "/")
	n, err := strconv.ParseFloat(number, 64)
	switch {
	case err != nil || n <= 0:
	case unit == "" || unit == "s":
		return n, nil
	case unit == "m":
		return n / 60, nil
	}
	return 0, fmt.Errorf("--load %s: want requests per second or minute, for example 20/s or 90/m", l.Load)
}

// start begins the load; nil if there is none.
func (l *load) start(ctx context.Context, c connection) (*shooting, error) {
	if l.Load == "" {
		return nil, nil
	}
	rate, err := l.rate()
	switch {
	case err != nil:
		return nil, err
	case rate > maxRate:
		return nil, fmt.Errorf("--load: at most %d/s", maxRate)
	case l.Model == "":
		return nil, errors.New("--load needs --model")
	case l.Inflight < 1 || l.Inflight > maxInflight:
		return nil, fmt.Errorf("--inflight: from 1 to %d", maxInflight)
	}
	c.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: l.Inflight}}
	ctx, cancel := context.WithCancel(ctx)
	s := &shooting{load: *l, connection: c, cancel: cancel, free: make(chan struct{}, l.Inflight), failures: map[string]int64{}}
	for range l.Inflight {
		s.free <- struct{}{}
	}
	s.work.Go(func() { s.shoot(ctx, time.Duration(float64(time.Second)/rate)) })
	return s, nil
}

// shoot sends a request each time, whether those before have been answered or not.
func (s *shooting) shoot(ctx context.Context, each time.Duration) {
	ticker := time.NewTicker(each)
	defer ticker.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		select {
		case <-s.free:
			s.work.Go(func() {
				s.note(ctx, s.one(ctx, n))
				s.free <- struct{}{}
			})
		default:
			s.mu.Lock()
			s.skipped++
			s.mu.Unlock()
		}
	}
}

// one makes one request. No two are the same, so that none is answered from memory.
func (s *shooting) one(ctx context.Context, n int) error {
	conversation := &llmv1.Conversation{
		Model: s.Model, Sampling: &llmv1.Sampling{MaxOutputTokens: &s.Limit},
		Messages: []*llmv1.Message{textMessage(llmv1.Role_ROLE_USER, fmt.Sprintf("Drill request %d: say in a few sentences what a gateway is for.", n))},
	}
	options := &routerv1.RequestOptions{Cache: &routerv1.CacheControl{Mode: routerv1.CacheControl_MODE_OFF}}
	if !s.Stream {
		var answer routerv1.GenerateResponse
		return s.call(ctx, http.MethodPost, "/api/v1/generate", &routerv1.GenerateRequest{Conversation: conversation, Options: options}, &answer)
	}
	whole := false
	err := stream(ctx, s.connection, "/api/v1/generate:stream", &routerv1.StreamGenerateRequest{Conversation: conversation, Options: options},
		func() *routerv1.StreamGenerateResponse { return &routerv1.StreamGenerateResponse{} },
		func(m *routerv1.StreamGenerateResponse) error {
			if failure := m.GetEvent().GetError(); failure != nil {
				return fmt.Errorf("cut: %s", failure.GetMessage())
			}
			whole = whole || m.GetReport() != nil
			return nil
		})
	if err == nil && !whole {
		return errors.New("ended early, without an error")
	}
	return err
}

func (s *shooting) note(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.whole++
	case ctx.Err() != nil:
		return // it was under way when the drill ended
	default:
		s.failures[err.Error()]++
	}
	s.sent++
}

// stop ends the load and waits for what is under way.
func (s *shooting) stop() {
	if s != nil {
		s.cancel()
		s.work.Wait()
		s.client.CloseIdleConnections()
	}
}

// summary says what came of it.
func (s *shooting) summary() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%d requests at %s: %d answered whole, %d failed, %d not sent because %d were under way.",
		s.sent, s.Load, s.whole, s.sent-s.whole, s.skipped, s.Inflight)
	for _, why := range slices.Sorted(maps.Keys(s.failures)) {
		text += fmt.Sprintf("\n%d × %s", s.failures[why], why)
	}
	return text
}

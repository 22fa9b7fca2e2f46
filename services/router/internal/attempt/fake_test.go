package attempt

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// play is what a target does when it is asked the n-th time.
type play func(ctx context.Context) ([]read, error)

// read is one read of a stream: after a pause a chunk, or an error.
type read struct {
	after time.Duration
	chunk *stream.Chunk
	err   error
	panic bool
}

type adapter struct {
	plays []play

	mu       sync.Mutex
	asked    int
	requests []*provider.Request
	model    string
	live     int // readers that are open
}

func (a *adapter) next(ctx context.Context) ([]read, error) {
	a.mu.Lock()
	p := a.plays[min(a.asked, len(a.plays)-1)]
	a.asked++
	a.mu.Unlock()
	return p(ctx)
}

func (a *adapter) took(r *provider.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.model, a.requests = r.Model, append(a.requests, r)
}

func (a *adapter) open(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live += n
}

func (a *adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	a.took(r)
	if _, err := a.next(ctx); err != nil {
		return nil, err
	}
	return &provider.Answer{Completion: &llmv1.Completion{Usage: &llmv1.Usage{InputTokens: 3}}}, nil
}

func (a *adapter) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	a.took(r)
	steps, err := a.next(ctx)
	if err != nil {
		return nil, err
	}
	a.open(1)
	return &reader{a: a, ctx: ctx, steps: steps}, nil
}

func (a *adapter) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	_, err := a.next(ctx)
	return &provider.Embeddings{Vectors: make([][]float32, a.asked)}, err
}

type reader struct {
	a      *adapter
	ctx    context.Context
	steps  []read
	closed bool
}

func (r *reader) Next() (*stream.Chunk, error) {
	if len(r.steps) == 0 {
		return nil, io.EOF
	}
	s := r.steps[0]
	r.steps = r.steps[1:]
	select {
	case <-time.After(s.after):
	case <-r.ctx.Done():
		return nil, r.ctx.Err()
	}
	if s.panic {
		panic("a bug in an adapter")
	}
	return s.chunk, s.err
}

func (r *reader) Close() error {
	if !r.closed {
		r.closed = true
		r.a.open(-1)
	}
	return nil
}

// The plays.
func fails(reason llmv1.ErrorReason) play {
	return func(context.Context) ([]read, error) { return nil, errs.New(reason, "") }
}

func failsFor(reason llmv1.ErrorReason, retryAfter time.Duration) play {
	return func(context.Context) ([]read, error) { return nil, errs.New(reason, "").WithRetryAfter(retryAfter) }
}

func answers(steps ...read) play {
	return func(context.Context) ([]read, error) { return steps, nil }
}

func hangs(ctx context.Context) ([]read, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func panics(context.Context) ([]read, error) { panic("a bug in an adapter") }

func text(s string) read {
	return read{chunk: &stream.Chunk{Events: []stream.Event{{Kind: stream.Text, Delta: []byte(s)}}}}
}

func start() read {
	return read{chunk: &stream.Chunk{Events: []stream.Event{{Kind: stream.Start, ID: "id"}}}}
}

func finish() read {
	return read{chunk: &stream.Chunk{Events: []stream.Event{{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_STOP}}}}
}

func later(d time.Duration, s read) read { s.after = d; return s }

// books is a ledger that checks that every attempt begins and ends once.
type books struct {
	t     testing.TB
	mu    sync.Mutex
	open  map[*Attempt]bool
	ends  []End
	roles []string // by end
	over  bool     // no attempt follows
	order []string
	full  error
}

func (b *books) Begin(_ context.Context, a *Attempt) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		b.t.Error("an attempt follows the last one")
	}
	if b.full != nil {
		return b.full
	}
	if b.open == nil {
		b.open = map[*Attempt]bool{}
	}
	if a.Number != len(b.order)+1 {
		b.t.Errorf("attempt %d begins as number %d", len(b.order)+1, a.Number)
	}
	b.open[a] = true
	b.order = append(b.order, a.Candidate.Target.Name)
	return nil
}

func (b *books) End(_ context.Context, a *Attempt, e End) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open[a] {
		b.t.Errorf("attempt %d ends that is not open", a.Number)
	}
	delete(b.open, a)
	b.over = b.over || e.Last
	b.ends, b.roles = append(b.ends, e), append(b.roles, a.Candidate.Target.Name+a.Role)
}

func newRunner(p Policy) *Runner {
	m, err := observe.NewMetrics(noop.NewMeterProvider().Meter(""))
	if err != nil {
		panic(err)
	}
	return NewRunner(p, slog.New(slog.DiscardHandler), m)
}

var policy = Policy{
	Backoff: 100 * time.Millisecond, MaxBackoff: time.Second, MaxRetryAfter: 5 * time.Second, MaxAttempts: 20,
}

func newTarget(name string, a provider.Adapter) *target.Target {
	return &target.Target{
		Target: provider.Target{
			Name: name, Provider: "openai", Models: provider.NewModels("*"),
			Timeouts: provider.Timeouts{
				FirstToken: config.Duration(3 * time.Second), Idle: config.Duration(2 * time.Second),
				Total: config.Duration(time.Minute),
			},
		},
		Adapter: a, Monitors: health.NewGroup(),
	}
}

func job(b *books, targets ...*target.Target) *Job {
	j := &Job{Recovery: route.Recovery{Mode: "off"}, Source: asks{&provider.Request{}}, Embed: &provider.EmbedRequest{Inputs: []string{"a"}}, Ledger: b}
	for _, t := range targets {
		j.Order = append(j.Order, deployed(t, "upstream-"+t.Name))
	}
	return j
}

// succeed ends an attempt as the pipeline does.
func succeed(a *Attempt) {
	a.End(End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED, Last: true})
}

func errorChunk() *stream.Chunk {
	return &stream.Chunk{Events: []stream.Event{{
		Kind: stream.Error, Failure: &llmv1.StreamError{Reason: down, Message: "gone"},
	}}}
}

// asks asks every candidate the same.
type asks struct{ *provider.Request }

func (s asks) RequestFor(*route.Candidate) *provider.Request { return s.Request }

func (s asks) ContinuationFor(_ *route.Candidate, begun string) *provider.Request {
	return &provider.Request{Context: begun}
}

// deployed is a candidate: a model on a target.
func deployed(t *target.Target, model string) *route.Candidate {
	return &route.Candidate{Deployment: &route.Deployment{Target: t, Model: model}}
}

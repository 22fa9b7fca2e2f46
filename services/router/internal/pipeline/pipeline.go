package pipeline

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/drill"
	"github.com/tollgate/tollgate/services/router/internal/limit"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Options say how requests are treated.
type Options struct {
	// RequestTimeout bounds a request, all attempts included.
	RequestTimeout time.Duration
	// Bounds make worst cases of estimates.
	Bounds tokens.Bounds
	// ContextTokens is what is reserved for context where the route sets no limit.
	ContextTokens int64
	// GuardrailOpen, BillingOpen and RagOpen let requests pass, unchecked,
	// without a hold or without context, while that service is unavailable.
	GuardrailOpen, BillingOpen, RagOpen bool
	// Concurrency bounds how many requests run at once.
	Concurrency concurrency.Config
	// ContextRules asks rag also about requests without collections, where the
	// organisation has context rules.
	ContextRules bool
}

// Peers are the other services, and what answers in place of a target. Checker,
// Scanner and Enricher may be nil: then nothing is checked or enriched; Cache,
// Counter and Rules likewise.
type Peers struct {
	Holder   Holder
	Pricer   Pricer
	Recorder Recorder
	Checker  Checker
	Scanner  OutputScanner
	Enricher Enricher
	Cache    Cache
	Counter  CacheCounter
	Rules    RuleCounter
}

// World is what requests find when they arrive: it is replaced as a whole when
// the configuration changes, and a request keeps the one that it began with.
type World struct {
	Targets []*target.Target
	Routes  *route.Table
}

// Pipeline takes requests through their stages. It is safe for concurrent use.
type Pipeline struct {
	peers   Peers
	options Options
	limiter *limit.Limiter
	places  *concurrency.Limiter
	runner  *attempt.Runner
	log     *slog.Logger
	flights *cache.Flights
	shadows *shadows
	world   atomic.Pointer[World]
	// recorder is told how requests end while a drill runs; nil else.
	recorder atomic.Pointer[drill.Recorder]
}

// New makes a pipeline.
func New(w *World, peers Peers, l *limit.Limiter, r *attempt.Runner, log *slog.Logger, o Options) *Pipeline {
	p := &Pipeline{peers: peers, options: o, limiter: l, places: concurrency.New(o.Concurrency), runner: r, log: log, flights: cache.NewFlights(), shadows: newShadows()}
	p.world.Store(w)
	return p
}

// World returns the targets and routes in force.
func (p *Pipeline) World() *World { return p.world.Load() }

// Replace puts other targets and routes into force.
func (p *Pipeline) Replace(w *World) { p.world.Store(w) }

// How an answer is made, if the cache has none.
var (
	answer = cached(giveWhole,
		decide,      // which targets, in which order?
		ask,         // until one of them answers
		guardOutput, // may the client see it?
		settle,      // what was used, and what does it cost?
	)
	answerStream = cached(giveStream,
		decide,
		open,  // asks targets until one of them sends content
		relay, // guards the output and passes it on, chunk by chunk
		settle,
	)
)

// Generate answers a request. Its error is an *errs.Error.
func (p *Pipeline) Generate(ctx context.Context, call *Call) (*Result, error) {
	r, ctx := p.begin(ctx, call)
	defer r.end(ctx)
	if err := r.pass(ctx,
		authorise,  // may the caller use the model, and which route serves it?
		queue,      // is there room for one more?
		reserve,    // do the key's rates allow it?
		hold,       // does every budget cover the worst case?
		guardInput, // may a model see it?
		enrich,     // what should the model know?
		answer,     // from the cache, or from a target
		report,     // what was done
	); err != nil {
		return nil, err
	}
	return &Result{Answer: r.answer, Report: r.report}, nil
}

// Stream answers a request while the answer is written. An error before
// Sink.Open has reached nobody and is the caller's to answer; after it the sink
// has been told as well. Either way it is an *errs.Error.
func (p *Pipeline) Stream(ctx context.Context, call *Call, sink Sink) error {
	r, ctx := p.begin(ctx, call)
	defer r.end(ctx)
	r.sink = sink
	if err := r.pass(ctx,
		authorise,
		queue,
		reserve,
		hold,
		guardInput,
		enrich,
		answerStream,
		report,
	); err != nil {
		return r.interrupt(err)
	}
	return r.finish()
}

// Embed turns texts into vectors. Its error is an *errs.Error.
func (p *Pipeline) Embed(ctx context.Context, call *EmbedCall) (*EmbedResult, error) {
	r, ctx := p.beginEmbed(ctx, call)
	defer r.end(ctx)
	if err := r.pass(ctx,
		authorise,
		queue,
		reserve,
		hold,
		guardInput,
		decide,
		embed,
		settle,
		report,
	); err != nil {
		return nil, err
	}
	return &EmbedResult{Embeddings: r.attempt.Vectors, Report: r.report}, nil
}

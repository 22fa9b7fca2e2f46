package pipeline

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
	"github.com/tollgate/tollgate/services/router/internal/route"
	settling "github.com/tollgate/tollgate/services/router/internal/settle"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// request is one request on its way through the stages. It belongs to one goroutine.
type request struct {
	pipeline  *Pipeline
	world     *World
	id        string
	principal *auth.Principal
	model     string // as the client names it
	options   *routerv1.RequestOptions
	deadline  time.Time
	cancel    context.CancelFunc
	watch     *watch // nil unless a drill runs

	// What is asked: a conversation, or texts to embed. Guarding the input
	// replaces them by copies.
	conversation *llmv1.Conversation
	native       provider.NativeRequest
	texts        *provider.EmbedRequest

	input       int64             // authorise: tokens, estimated by the asked model
	decision    route.Decision    // authorise, decide
	enriches    bool              // authorise
	estimate    tokens.Estimate   // reserve
	began       time.Time         // queue: when it got its place; zero without one
	reservation quota.Reservation // reserve
	scopes      *billingv1.Scopes // hold
	hold        string            // hold
	revisions   map[int]string    // guardInput
	enrichment  enrichment        // enrich
	asked       *provider.Request // ask, open: what the candidate of this place is asked
	askedOf     int
	ledger      *settling.Ledger // ask, open, embed
	attempt     *attempt.Attempt // ask, open, embed: the one that answers
	stream      *attempt.Stream  // open
	answer      *provider.Answer // ask, or what the cache gave
	collector   *cache.Collector // cached: what a stream amounts to, if it may be kept
	flight      *cache.Flight    // lead: those who follow the stream
	gone        error            // deliver: the client is, and the request goes on for them
	cache       string           // cached: what the cache did
	lax         bool             // passed with less than the usual care
	notices     []*llmv1.GuardrailNotice
	cost        cost                    // settle
	report      *routerv1.RequestReport // report

	streamed bool // the answer would be streamed, although there is no sink
	sink     Sink
	opened   bool            // the sink is open
	pending  []*stream.Chunk // what came before the first content
	failure  *errs.Error
}

// enrichment is what goes into the prompt besides what the client sent.
type enrichment struct {
	text      string
	passages  []*ragv1.Passage
	citations []*llmv1.Citation
}

// stage is one step of the path.
type stage func(context.Context, *request) error

func (p *Pipeline) begin(ctx context.Context, c *Call) (*request, context.Context) {
	r := &request{
		principal: c.Principal, model: c.Conversation.GetModel(), options: c.Options,
		conversation: c.Conversation, native: c.Native,
	}
	return p.enter(ctx, r, c.RequestID)
}

func (p *Pipeline) beginEmbed(ctx context.Context, c *EmbedCall) (*request, context.Context) {
	return p.enter(ctx, &request{principal: c.Principal, model: c.Request.Model, options: c.Options, texts: c.Request}, c.RequestID)
}

func (p *Pipeline) enter(ctx context.Context, r *request, id string) (*request, context.Context) {
	r.pipeline, r.world, r.id, r.watch = p, p.World(), id, p.watched()
	if r.id == "" {
		r.id = NewRequestID()
	}
	r.deadline = time.Now().Add(p.options.RequestTimeout)
	ctx, r.cancel = context.WithDeadline(ctx, r.deadline)
	return r, ctx
}

// NewRequestID makes an id that has never been used: sortable by time, 128 bits.
func NewRequestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	return "req_" + id.String()
}

// pass goes through the stages up to the first that fails.
func (r *request) pass(ctx context.Context, stages ...stage) error {
	if err := r.through(ctx, stages); err != nil {
		r.failure = r.public(ctx, err)
		return r.failure
	}
	return nil
}

// through goes through stages likewise, inside of one.
func (r *request) through(ctx context.Context, stages []stage) error {
	for _, s := range stages {
		if err := s(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// public sees an error as its caller may. A fault of ours goes to the log.
func (r *request) public(ctx context.Context, err error) *errs.Error {
	if ctx.Err() != nil {
		if e := errs.From(err); e.Reason != llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED {
			return errs.From(context.Cause(ctx)).WithCause(err) // a shutdown says that it is one
		}
	}
	e := errs.From(err)
	if e.Reason == llmv1.ErrorReason_ERROR_REASON_INTERNAL {
		r.pipeline.log.ErrorContext(ctx, "request failed", slog.String("request_id", r.id), slog.Any("error", e))
	}
	return e
}

// end leaves nothing open, whatever ended the request: an error, a client that
// went away, a panic on its way through.
func (r *request) end(ctx context.Context) {
	if !r.attempt.Ended() {
		r.attempt.End(attempt.End{Outcome: r.outcome(), Err: r.endErr(), Last: true})
	}
	used := int64(0)
	if r.ledger != nil {
		used = r.ledger.Used()
	}
	r.reservation.Settle(used)
	r.release(ctx)
	r.leave()
	r.watch.end(r)
	r.mirror(ctx)
	r.cancel()
}

func (r *request) endErr() error {
	if r.failure == nil {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_INTERNAL, "")
	}
	return r.failure
}

// outcome is how an attempt ended that no stage has settled.
func (r *request) outcome() billingv1.Outcome {
	if r.failure == nil {
		return billingv1.Outcome_OUTCOME_FAILED // a panic
	}
	switch r.failure.Reason {
	case llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED:
		return billingv1.Outcome_OUTCOME_BLOCKED
	case llmv1.ErrorReason_ERROR_REASON_CANCELLED,
		llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE: // a shutdown or a peer ends it: the target is not at fault
		return billingv1.Outcome_OUTCOME_CANCELLED
	default:
		return billingv1.Outcome_OUTCOME_FAILED
	}
}

// releaseTimeout bounds giving a hold back; after it the hold expires by itself.
const releaseTimeout = 2 * time.Second

// release gives the hold back if no record does.
func (r *request) release(ctx context.Context) {
	if r.hold == "" || r.ledger != nil && r.ledger.Released() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if err := r.pipeline.peers.Holder.Release(ctx, r.hold); err != nil {
		r.pipeline.log.WarnContext(ctx, "release hold; it will expire", slog.String("hold", r.hold), slog.Any("error", err))
	}
}

// unavailable says whether a peer's error means that it could not do its work,
// rather than that it refused.
func unavailable(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	switch errs.From(err).Reason {
	case llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, llmv1.ErrorReason_ERROR_REASON_OVERLOADED,
		llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, llmv1.ErrorReason_ERROR_REASON_CANCELLED,
		llmv1.ErrorReason_ERROR_REASON_INTERNAL, llmv1.ErrorReason_ERROR_REASON_UNIMPLEMENTED:
		return true
	default:
		return false
	}
}

func peerDown(service string, err error) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the %s service is unavailable", service).WithCause(err)
}

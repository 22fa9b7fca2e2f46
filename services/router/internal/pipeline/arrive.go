package pipeline

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/types/known/durationpb"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/route"
	settling "github.com/tollgate/tollgate/services/router/internal/settle"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// authorise finds the route of the model, if the caller may use it, and whether
// it adds context.
func authorise(ctx context.Context, r *request) error {
	if err := admit(r.principal, r.model); err != nil {
		return err
	}
	entry, ok := r.world.Routes.Match(r.model)
	if !ok {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "").WithField("model")
	}
	entry.Candidates(r.question(), &r.decision)
	if err := r.decision.Err(); err != nil {
		return err
	}
	r.enriches = r.mayEnrich(ctx)
	return nil
}

func admit(p *auth.Principal, model string) error {
	switch {
	case p == nil:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	case p.Organization == "":
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "the caller belongs to no organisation that could pay")
	case model == "":
		return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "a model is required").WithField("model")
	case !p.MayUse(model):
		return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_ALLOWED, "").WithField("model")
	default:
		return nil
	}
}

// question is what the route's rules look at.
func (r *request) question() route.Question {
	q := route.Question{
		Model: r.model, Caller: caller(r.principal), Time: time.Now(), Streamed: r.sink != nil || r.streamed,
		Residency: strings.ToLower(r.options.GetResidency()), Compliance: strings.ToLower(r.options.GetCompliance()), Task: r.options.GetTask(),
		Session: r.options.GetSession(), UserLocation: r.options.GetUserLocation(),
	}
	if r.texts != nil {
		q.Needs = capability.Embeddings
		return q
	}
	r.input = tokens.Conversation(r.model, r.conversation)
	q.Needs, q.Conversation, q.Input = capability.Chat|capability.Of(r.conversation), r.conversation, r.input
	q.Labels = r.conversation.GetMetadata()
	if r.native != nil {
		q.Dialect, q.Unexpressed = r.native.Dialect(), r.native.Unexpressed()
	}
	return q
}

func caller(p *auth.Principal) route.Caller {
	return route.Caller{
		Organization: p.Organization, Team: p.Team, User: p.User, Key: p.Key, Roles: p.Roles,
		Residency: p.Residency, Compliance: p.Compliance,
	}
}

// reserve estimates the request and takes it from the key's rates.
func reserve(ctx context.Context, r *request) error {
	r.estimate = r.estimated()
	reservation, err := r.pipeline.limiter.Reserve(ctx, r.principal, r.estimate.Worst())
	r.reservation = reservation
	return err
}

func (r *request) estimated() tokens.Estimate {
	bounds, entry := r.pipeline.options.Bounds, r.decision.Entry
	if r.texts != nil {
		return tokens.ForInputs(r.model, r.texts.Inputs, bounds)
	}
	switch {
	case r.decision.Defaults().MaxOutputTokens != nil:
		bounds.Output = *r.decision.Defaults().MaxOutputTokens
	case entry.MaxOutputTokens > 0:
		bounds.Output = entry.MaxOutputTokens
	}
	if r.enriches {
		bounds.Context = r.pipeline.options.ContextTokens
		if entry.ContextTokens > 0 {
			bounds.Context = int64(entry.ContextTokens)
		}
	}
	input := r.input + tokens.Text(r.model, entry.Instructions.Longest())
	return tokens.ForConversation(r.decision.Own(r.conversation.GetSampling()), input, bounds)
}

// hold reserves the worst case in every budget that applies.
func hold(ctx context.Context, r *request) (err error) {
	ctx, span := telemetry.Start(ctx, "router.hold")
	defer func() { telemetry.End(span, err) }()
	r.scopes = settling.Scopes(r.principal)
	response, err := r.pipeline.peers.Holder.Hold(ctx, r.holdRequest())
	switch {
	case err == nil:
		r.hold = response.GetName()
		if span.IsRecording() {
			span.SetAttributes(attribute.Int64("tollgate.held_nanousd", response.GetAmountNanousd()),
				attribute.Bool("tollgate.unpriced", response.GetUnpriced()))
		}
		return nil
	case !unavailable(ctx, err):
		return err
	case r.pipeline.options.BillingOpen:
		r.note(ctx, span, "passed without a hold: billing is unavailable", err)
		return nil
	default:
		return peerDown("billing", err)
	}
}

// holdGrace is added to the life of a hold, so that it does not expire before
// its request has been settled.
const holdGrace = time.Minute

func (r *request) holdRequest() *billingv1.CreateHoldRequest {
	worst := &llmv1.Usage{
		InputTokens: r.estimate.WorstInput, OutputTokens: r.estimate.WorstOutput,
		Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED,
	}
	request := &billingv1.CreateHoldRequest{
		RequestId: r.id, Scopes: r.scopes,
		Candidates: make([]*billingv1.CreateHoldRequest_Candidate, 0, len(r.decision.Order)),
		Ttl:        durationpb.New(r.pipeline.options.RequestTimeout + holdGrace),
	}
	for i := range r.decision.Order {
		request.Candidates = append(request.Candidates, &billingv1.CreateHoldRequest_Candidate{
			PricedModel: settling.Priced(r.decision.Order[i]), WorstCase: worst,
		})
	}
	return request
}

// note says on the span and in the log that a request passed with less than
// the usual care.
func (r *request) note(ctx context.Context, span trace.Span, what string, err error) {
	r.lax = true
	span.AddEvent(what)
	r.pipeline.log.WarnContext(ctx, what, slog.String("request_id", r.id), slog.Any("error", err))
}

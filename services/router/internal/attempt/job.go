package attempt

import (
	"context"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// Ledger is told of the attempts of one request. Attempts may run side by side,
// so it is called from more than one goroutine.
type Ledger interface {
	// Begin is called before the target is. An error ends the request.
	Begin(ctx context.Context, a *Attempt) error
	// End is called exactly once for each attempt that Begin took.
	End(ctx context.Context, a *Attempt, end End)
}

// Source says what a candidate is asked: targets differ in what they can be told.
type Source interface {
	// RequestFor is called once for each attempt. What it returns is not changed.
	RequestFor(c *route.Candidate) *provider.Request
	// ContinuationFor is RequestFor for a candidate that is given the beginning of
	// its answer and goes on from there.
	ContinuationFor(c *route.Candidate, begun string) *provider.Request
}

// End says how an attempt ended.
type End struct {
	Outcome billingv1.Outcome
	// Err is why it failed; nil for a success.
	Err error
	// Last is true if the request makes no further attempt. Others may still run.
	Last bool
}

// What attempts are besides plain ones; the ledger's rows say it.
const (
	// RoleHedge is one that was begun beside another that let us wait.
	RoleHedge = "hedge"
	// RoleEscalation is one after an answer that was not good enough.
	RoleEscalation = "escalation"
	// RoleRecovery is one that goes on with a stream that broke off.
	RoleRecovery = "recovery"
)

// Job is what a request wants of its targets.
type Job struct {
	// Order holds the candidates in the order in which they are tried.
	Order []*route.Candidate
	// Source says what to ask; the request's Model is set for each attempt.
	Source Source
	// Embed is what to ask for vectors; likewise.
	Embed *provider.EmbedRequest
	// Ledger is told of every attempt.
	Ledger Ledger
	// Tenant is the organisation that asks, and Tokens the most that an attempt
	// may use.
	Tenant string
	Tokens int64
	// Hedge says when another target is asked beside one that lets us wait.
	Hedge route.Hedge
	// Recovery says how streams go on that break off.
	Recovery route.Recovery
	// FailoverOn lists what leads to the next target that else would be returned.
	FailoverOn route.Failovers
	// Judge says why an answer is not good enough while others can be asked;
	// empty if it is. Nil takes every answer. Streams are held back until they are
	// judged; one of more than JudgeBytes passes.
	Judge      func(*llmv1.Completion) string
	JudgeBytes int
}

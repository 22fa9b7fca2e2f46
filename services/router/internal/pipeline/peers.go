package pipeline

import (
	"context"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
)

// Holder reserves budget.
type Holder interface {
	// Hold reserves the worst case of a request, or fails with BUDGET_EXCEEDED or UNPRICED.
	Hold(context.Context, *billingv1.CreateHoldRequest) (*billingv1.CreateHoldResponse, error)
	// Release gives a hold back that no usage record will settle.
	Release(ctx context.Context, hold string) error
}

// Pricer says what a usage costs.
type Pricer interface {
	Price(context.Context, *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error)
}

// Recorder keeps usage records until billing has them.
type Recorder interface {
	// Begin keeps the record that holds if the process dies before End. It fails
	// if that is not possible; then nothing is dispatched.
	Begin(*billingv1.UsageRecord) error
	// End keeps the final record.
	End(*billingv1.UsageRecord) error
}

// Checker checks whole texts.
type Checker interface {
	// HasRules says whether a policy has rules for a direction.
	HasRules(ctx context.Context, policy string, d guardrailv1.Direction) (bool, error)
	// Check evaluates texts.
	Check(context.Context, *guardrailv1.CheckRequest) (*guardrailv1.CheckResponse, error)
}

// OutputScanner checks an answer while it is written.
type OutputScanner interface {
	// Scan begins an answer; it ends with ctx or Close.
	Scan(ctx context.Context, policy string) (Scan, error)
}

// Scan is the check of one answer.
type Scan interface {
	// Delta checks one piece. The response is valid until the next call.
	Delta(Delta) (*guardrailv1.CheckStreamResponse, error)
	// Close ends the scan.
	Close()
}

// Delta is a piece of a part.
type Delta struct {
	Candidate, Part int32
	Kind            guardrailv1.ContentKind
	Text            string
	Last            bool // what is held back of the part is released
}

// Enricher finds what a prompt needs of the organisation's documents.
type Enricher interface {
	// HasRules says whether the caller's organisation has context rules, so that
	// Enrich may find something without collections. It says yes if it cannot know.
	HasRules(context.Context) bool
	Enrich(context.Context, *ragv1.EnrichRequest) (*ragv1.EnrichResponse, error)
}

package attempt

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/observe"
)

// Operations of a target.
const (
	opGenerate = "generate"
	opStream   = "stream"
	opEmbed    = "embed"
)

// operation is what a target is asked to do.
type operation struct {
	name string
	try  func(*Attempt) error
}

var (
	generating = operation{opGenerate, (*Attempt).generate}
	streaming  = operation{opStream, (*Attempt).open}
	embedding  = operation{opEmbed, (*Attempt).embed}
)

// Runner runs attempts. It is safe for concurrent use.
type Runner struct {
	policy  Policy
	log     *slog.Logger
	metrics *observe.Metrics
}

// NewRunner makes a runner.
func NewRunner(p Policy, log *slog.Logger, m *observe.Metrics) *Runner {
	return &Runner{policy: p, log: log, metrics: m}
}

// Generate asks for a whole answer. The attempt that answered is still open:
// whoever called ends it, once it is clear what became of the answer.
func (r *Runner) Generate(ctx context.Context, job *Job) (*Attempt, error) {
	return r.hunt(ctx, job, generating).run()
}

// Embed asks for vectors. The attempt that answered is still open.
func (r *Runner) Embed(ctx context.Context, job *Job) (*Attempt, error) {
	return r.hunt(ctx, job, embedding).run()
}

// Open asks for a stream and reads it up to its first content, so that until
// then another target can take over unseen. The attempt is still open.
func (r *Runner) Open(ctx context.Context, job *Job) (*Stream, error) {
	h := r.hunt(ctx, job, streaming)
	a, err := h.run()
	if err != nil {
		return nil, err
	}
	return newStream(a, h), nil
}

func (a *Attempt) generate() error {
	answer, err := a.Candidate.Target.Adapter.Generate(a.ctx, a.Asked)
	if err != nil {
		return err
	}
	a.Answer, a.Reported = answer, answer.Completion.GetUsage()
	a.answer.ID, a.answer.Model = answer.Completion.GetId(), answer.Completion.GetModel()
	for _, c := range answer.Completion.GetCandidates() {
		a.answer.Finish = append(a.answer.Finish, c.GetFinishReason())
	}
	return nil
}

func (a *Attempt) embed() error {
	vectors, err := a.Candidate.Target.Adapter.Embed(a.ctx, a.Embedded)
	if err != nil {
		return err
	}
	if len(vectors.Vectors) != len(a.Embedded.Inputs) {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
			"the provider answered %d vectors for %d texts", len(vectors.Vectors), len(a.Embedded.Inputs))
	}
	a.Vectors, a.Reported, a.answer.Model = vectors, vectors.Usage, vectors.Model
	return nil
}

// safely turns a panic of an adapter into an error, so that the attempt is settled.
func (a *Attempt) safely(try func(*Attempt) error) (err error) {
	defer a.recover(&err)
	return try(a)
}

func (a *Attempt) recover(err *error) {
	if p := recover(); p != nil {
		a.runner.log.ErrorContext(a.outer, "adapter panicked", slog.String("target", a.Candidate.Target.Name),
			slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		*err = errs.Internal(fmt.Errorf("adapter panicked: %v", p))
	}
}

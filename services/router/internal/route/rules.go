package route

import (
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// rule rules a candidate out.
type rule struct {
	reason func(c *Candidate, d *Decision) string
	// field is the client's parameter at fault.
	field func(c *Candidate, d *Decision) string
	// failure is the error if no candidate is left and this rule explains most:
	// that is the one with the greatest weight, which looked furthest.
	failure llmv1.ErrorReason
	weight  int
}

func modelField(*Candidate, *Decision) string { return "model" }

// The rules, in the order in which they are asked; those of places and of the
// operator stand in residency.go and custom_apply.go.
var (
	unlisted = &rule{
		reason:  func(*Candidate, *Decision) string { return "the target does not list the model" },
		field:   modelField,
		failure: llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND,
	}
	absent = &rule{
		reason: func(c *Candidate, _ *Decision) string {
			return "the target's region " + c.Target.Region + " does not offer the model"
		},
		field:   modelField,
		failure: llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
	}
	unable = &rule{
		reason: func(c *Candidate, d *Decision) string {
			return "the target does not support " + d.dropped(c).Content().String()
		},
		field:   func(c *Candidate, d *Decision) string { return capability.Field(d.Dialect, d.dropped(c).First()) },
		failure: llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		weight:  5,
	}
	untold = &rule{
		reason: func(c *Candidate, d *Decision) string {
			return "the target cannot be told " + strings.Join(d.refusedFields(c), ", ")
		},
		field:   func(c *Candidate, d *Decision) string { return d.refusedFields(c)[0] },
		failure: llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		weight:  6,
	}
	overlong = &rule{
		reason: func(c *Candidate, _ *Decision) string {
			return "larger context needed: the model reads at most " + strconv.FormatInt(c.Known.Context, 10) + " tokens"
		},
		field:   func(_ *Candidate, d *Decision) string { return capability.Field(d.Dialect, capability.Chat) },
		failure: llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED,
		weight:  7,
	}
)

// barred is the first rule by which the candidate may not be asked, whatever
// the request needs; nil if it may. It
// comes before all others: neither a rule of the operator nor a default can
// bring back what it rules out.
func barred(c *Candidate, demanded *demands) *rule {
	switch {
	case c.Model == "":
		return unlisted
	case !c.Target.MayOffer(c.Model):
		return absent
	}
	return demanded.misplaced(c)
}

// objection is the first rule by which a candidate that may be asked cannot do
// what the request needs, of which something is lost; nil if it can. The rules are called by name: through
// pointers in a table they would make every candidate escape to the heap.
func objection(c *Candidate, lost capability.Set, d *Decision) *rule {
	switch {
	case lost.Content() != capability.None:
		return unable
	case !d.Entry.DropUnsupported && (d.refused(c, lost) != capability.None || anyRefused(d.unexpressed(c), d.Dialect)):
		return untold
	case tooLong(c, &d.question):
		return overlong
	default:
		return nil
	}
}

// refusedFields are the client's parameters that the route would have to drop.
func (d *Decision) refusedFields(c *Candidate) []string {
	var fields []string
	for _, path := range d.unexpressed(c) {
		if !capability.HintPath(d.Dialect, path) {
			fields = append(fields, path)
		}
	}
	return capability.AppendFields(fields, d.Dialect, d.refused(c, d.dropped(c)))
}

// refused is what of something lost are parameters that the client asked for,
// and that the route must allow to go; a target that reads what the client wrote
// refuses by itself.
func (d *Decision) refused(c *Candidate, lost capability.Set) capability.Set {
	if c.Native {
		return capability.None
	}
	return lost.Parameters() & d.question.Needs
}

func anyRefused(paths []string, dialect string) bool {
	for _, path := range paths {
		if !capability.HintPath(dialect, path) {
			return true
		}
	}
	return false
}

// slack is how far an estimate may be above the truth, in percent: a request
// is refused for its length only if even the least that it may have is too much.
// The provider itself has the last word.
const slack = 25

// tooLong says whether the request has more tokens than the model reads. The
// estimate by the asked model is near enough unless it comes near the limit.
func tooLong(c *Candidate, q *Question) bool {
	if c.Known == nil || c.Known.Context == 0 || q.Input*2 < c.Known.Context {
		return false
	}
	input := q.Input
	if !q.Assumed {
		input = tokens.Conversation(c.Model, q.Conversation)
	}
	return input*100 > c.Known.Context*(100+slack)
}

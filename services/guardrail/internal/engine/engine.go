// Package engine evaluates texts against a policy: it folds them, runs the
// prefilter, lets the checks look at what woke them, and masks what they find.
package engine

import (
	"context"
	"errors"
	"sync"

	"github.com/tollgate/tollgate/services/guardrail/internal/check"
	"github.com/tollgate/tollgate/services/guardrail/internal/pattern"
	"github.com/tollgate/tollgate/services/guardrail/internal/policy"
)

// Kind says how a text is written and how far it is trusted.
type Kind uint8

// Kinds of text.
const (
	// Text is written by a person or a model.
	Text Kind = iota
	// JSON stays valid when masked.
	JSON
	// Data is what a tool or a document brought in: instructions in it are
	// suspicious.
	Data
	// Instructions are the operator's own: injection is not looked for.
	Instructions
)

// Part is one text to evaluate.
type Part struct {
	Kind Kind
	Text string
}

// Finding is one match. It never holds the matched text.
type Finding struct {
	Check, Entity string
	Action        check.Action
	// Part is the index of the text.
	Part int
	// Start and End are the half-open span in the original text, in bytes.
	Start, End int
	Score      float64

	replace string
}

// Outcome is what may happen with the texts, weakest first.
type Outcome uint8

// Outcomes.
const (
	Allowed Outcome = iota
	Modified
	Blocked
)

// Verdict is the result of an evaluation.
type Verdict struct {
	Outcome  Outcome
	Findings []Finding
	// Masked holds the new text of each part that had to be changed; nil if
	// none had to be.
	Masked map[int]string
	// Unscanned lists the parts that could not be examined.
	Unscanned []int
}

// Request is what Evaluate evaluates.
type Request struct {
	// Tenant parts the memory of verdicts.
	Tenant    string
	Policy    *policy.Compiled
	Direction policy.Direction
	Parts     []Part
}

// Engine evaluates texts. It is safe for concurrent use.
type Engine struct {
	auto    *pattern.Automaton
	scanner sync.Pool
	memory  Memory
	// MaxPart bounds a part in bytes; a longer one counts as unscanned.
	maxPart int
}

// Option changes an engine.
type Option func(*Engine)

// WithMemory lets the engine remember verdicts of parts it has seen.
func WithMemory(m Memory) Option { return func(e *Engine) { e.memory = m } }

// WithMaxPart bounds the parts that are examined, in bytes (default 8 MiB).
func WithMaxPart(n int) Option { return func(e *Engine) { e.maxPart = n } }

var errAutomaton = errors.New("guardrail: the checks' literals exceed the automaton")

// New builds an engine over all checks.
func New(opts ...Option) (*Engine, error) {
	auto, ok := pattern.New(check.Literals())
	if !ok {
		return nil, errAutomaton
	}
	e := &Engine{auto: auto, maxPart: 8 << 20}
	e.scanner.New = func() any { return &scanner{engine: e} }
	for _, o := range opts {
		o(e)
	}
	return e, nil
}

// Evaluate examines all parts. It fails only when ctx ends.
func (e *Engine) Evaluate(ctx context.Context, r Request) (Verdict, error) {
	var v Verdict
	for i, part := range r.Parts {
		if err := ctx.Err(); err != nil {
			return Verdict{}, err
		}
		findings, ok := e.part(&r, part)
		if !ok {
			v.Unscanned = append(v.Unscanned, i)
			if !r.Policy.FailOpen {
				v.Outcome = Blocked
			}
			continue
		}
		v.add(i, part.Text, findings)
	}
	if v.Outcome == Blocked {
		v.Masked = nil
	}
	return v, nil
}

func (v *Verdict) add(part int, text string, findings []Finding) {
	if len(findings) == 0 {
		return
	}
	masked := false
	for _, f := range findings {
		f.Part = part
		switch f.Action {
		case check.Block:
			v.Outcome = Blocked
		case check.Mask:
			masked = true
			v.Outcome = max(v.Outcome, Modified)
		}
		v.Findings = append(v.Findings, f)
	}
	if masked {
		if v.Masked == nil {
			v.Masked = map[int]string{}
		}
		v.Masked[part] = Apply(text, findings)
	}
}

// part examines one text, or remembers what was found in it before.
func (e *Engine) part(r *Request, p Part) (findings []Finding, ok bool) {
	if len(p.Text) > e.maxPart {
		return nil, false
	}
	if e.memory == nil || len(p.Text) < minRemembered {
		return e.scan(r.Policy, r.Direction, p)
	}
	key := keyOf(r, p)
	if findings, ok = e.memory.Load(key); ok {
		return findings, true
	}
	if findings, ok = e.scan(r.Policy, r.Direction, p); ok && len(findings) <= maxRemembered {
		e.memory.Store(key, findings)
	}
	return findings, ok
}

// scan examines one text. A check that panics must not take the gateway down,
// nor let the text pass unseen: the policy's fail mode decides.
func (e *Engine) scan(pol *policy.Compiled, dir policy.Direction, p Part) (findings []Finding, ok bool) {
	s, _ := e.scanner.Get().(*scanner)
	defer func() {
		if recover() != nil {
			findings, ok = nil, false
			return
		}
		s.release()
	}()
	s.begin(pol, dir, p.Kind)
	s.whole(bytesOf(p.Text))
	if len(s.findings) > 0 {
		findings = append(findings, s.findings...)
	}
	return findings, true
}

package policy

import (
	"encoding/json"
	"fmt"

	"github.com/tollgate/tollgate/services/guardrail/internal/check"
)

// Bound is a rule made ready to run on one side of the model.
type Bound struct {
	Check     *check.Check
	Action    check.Action
	Threshold float64
	// Placeholder replaces a match in text; InString and Bare do in JSON,
	// inside and outside a string.
	Placeholder, InString, Bare string
}

// Compiled is a policy made ready to run. It is immutable.
type Compiled struct {
	Policy  Policy
	Version string
	// FailOpen lets a text pass that could not be examined.
	FailOpen bool

	sides     [directions][]Bound
	injection [directions]*Bound
}

// Segments returns the rules for entities on a side, in the registry's order.
func (c *Compiled) Segments(d Direction) []Bound { return c.sides[d] }

// Injection returns the rule for prompt injection on a side, or nil.
func (c *Compiled) Injection(d Direction) *Bound { return c.injection[d] }

// Compile makes a valid policy ready to run. For an invalid one it returns the
// first fault as error.
func Compile(p Policy) (*Compiled, error) {
	if faults := p.Validate(); len(faults) > 0 {
		return nil, fmt.Errorf("policy %q: %s: %s", p.Name, faults[0].Path, faults[0].Message)
	}
	c := &Compiled{Policy: p, Version: p.version(), FailOpen: p.FailMode == FailOpen}
	for _, chk := range check.Registry() {
		for _, r := range p.Rules {
			if r.Check != chk.Name {
				continue
			}
			b := bind(chk, r)
			for _, d := range r.directions() {
				if chk.Detect == nil {
					c.injection[d] = &b
					continue
				}
				c.sides[d] = append(c.sides[d], b)
			}
		}
	}
	return c, nil
}

func bind(chk *check.Check, r Rule) Bound {
	b := Bound{Check: chk, Action: chk.Default, Threshold: r.Threshold, Placeholder: r.Mask}
	if a, ok := actions[r.Action]; ok {
		b.Action = a
	}
	if chk.Detect == nil && b.Threshold == 0 {
		b.Threshold = check.InjectionThreshold
	}
	if b.Placeholder == "" {
		b.Placeholder = "[" + chk.Entity + "]"
	}
	quoted, err := json.Marshal(b.Placeholder)
	if err != nil {
		quoted = []byte(`""`)
	}
	b.Bare = string(quoted)
	b.InString = b.Bare[1 : len(b.Bare)-1]
	return b
}

// Described is a rule as it is in force: every default filled in.
type Described struct {
	Check, Placeholder string
	Action             check.Action
	Threshold          float64
	Directions         []Direction
}

// Describe lists the rules in the order of the configuration.
func (c *Compiled) Describe() []Described {
	var out []Described
	for _, r := range c.Policy.Rules {
		chk, ok := check.ByName(r.Check)
		if !ok {
			continue
		}
		b := bind(chk, r)
		d := Described{Check: r.Check, Action: b.Action, Threshold: b.Threshold, Directions: r.directions()}
		if b.Action == check.Mask {
			d.Placeholder = b.Placeholder
		}
		out = append(out, d)
	}
	return out
}

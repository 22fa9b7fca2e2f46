// Package policy says which checks run on which side of the model and what
// happens when one fires.
package policy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/tollgate/tollgate/services/guardrail/internal/check"
)

// Direction is a side of the model.
type Direction uint8

// The sides of the model.
const (
	Input Direction = iota
	Output
	directions
)

// String returns the word used in configuration.
func (d Direction) String() string {
	if d == Output {
		return "output"
	}
	return "input"
}

// Rule ties a check to an action. It is one entry of the configuration.
type Rule struct {
	// Check names the check, for example "email".
	Check string `yaml:"check" json:"check"`
	// Action is block, mask or flag; empty means the check's own default.
	Action string `yaml:"action" json:"action"`
	// Direction is input, output or both; empty means both.
	Direction string `yaml:"direction" json:"direction"`
	// Threshold is the least score that counts, 0 to 1; 0 means the check's own.
	Threshold float64 `yaml:"threshold" json:"threshold"`
	// Mask replaces a match, for example "[EMAIL]"; empty means the entity in
	// brackets.
	Mask string `yaml:"mask" json:"mask"`
}

// Fail modes: what happens to a text that could not be examined.
const (
	FailClosed = "closed"
	FailOpen   = "open"
)

// Policy is a named list of rules. It is one entry of the configuration.
type Policy struct {
	// Name is how requests refer to it: lower case letters, digits, dashes.
	Name string `yaml:"name" json:"name"`
	// Description is for people.
	Description string `yaml:"description" json:"description"`
	// FailMode is closed (block, the default) or open (let pass, and say so).
	FailMode string `yaml:"fail_mode" json:"fail_mode"`
	// Rules hold at most one rule for each check and direction.
	Rules []Rule `yaml:"rules" json:"rules"`
}

// Fault is one thing wrong with a policy.
type Fault struct {
	// Path is where, below the policy: "rules[2].check".
	Path    string
	Message string
}

var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

const maxMask = 64

// Validate reports everything that is wrong with a policy.
func (p *Policy) Validate() []Fault {
	var faults []Fault
	fail := func(path, format string, args ...any) {
		faults = append(faults, Fault{path, fmt.Sprintf(format, args...)})
	}
	if !nameForm.MatchString(p.Name) {
		fail("name", "must be lower case letters, digits and dashes, at most 63, not %q", p.Name)
	}
	if p.FailMode != "" && p.FailMode != FailClosed && p.FailMode != FailOpen {
		fail("fail_mode", "must be closed or open, not %q", p.FailMode)
	}
	seen := map[string]int{}
	for i, r := range p.Rules {
		path := fmt.Sprintf("rules[%d]", i)
		for _, f := range r.validate() {
			fail(path+"."+f.Path, "%s", f.Message)
		}
		for _, d := range r.directions() {
			key := r.Check + " " + d.String()
			if first, twice := seen[key]; twice {
				fail(path, "rules[%d] already holds for %s on %s", first, r.Check, d)
			}
			seen[key] = i
		}
	}
	return faults
}

func (r *Rule) validate() []Fault {
	var faults []Fault
	if _, ok := check.ByName(r.Check); !ok {
		faults = append(faults, Fault{"check", fmt.Sprintf("no check is called %q; there are %s", r.Check, strings.Join(checkNames(), ", "))})
	}
	if r.Check == check.Injection && r.Action == "mask" {
		faults = append(faults, Fault{"action", "an injection cannot be masked: use block or flag"})
	}
	if _, ok := actions[r.Action]; !ok && r.Action != "" {
		faults = append(faults, Fault{"action", fmt.Sprintf("must be block, mask or flag, not %q", r.Action)})
	}
	switch r.Direction {
	case "", "both", "input", "output":
	default:
		faults = append(faults, Fault{"direction", fmt.Sprintf("must be input, output or both, not %q", r.Direction)})
	}
	if !(r.Threshold >= 0 && r.Threshold <= 1) {
		faults = append(faults, Fault{"threshold", "must be from 0 to 1"})
	}
	if len(r.Mask) > maxMask || strings.ContainsFunc(r.Mask, func(c rune) bool { return c < ' ' }) {
		faults = append(faults, Fault{"mask", fmt.Sprintf("must be at most %d bytes without control characters", maxMask)})
	}
	return faults
}

var actions = map[string]check.Action{"block": check.Block, "mask": check.Mask, "flag": check.Flag}

func checkNames() []string {
	var names []string
	for _, c := range check.Registry() {
		names = append(names, c.Name)
	}
	return names
}

func (r *Rule) directions() []Direction {
	switch r.Direction {
	case "input":
		return []Direction{Input}
	case "output":
		return []Direction{Output}
	}
	return []Direction{Input, Output}
}

func (p *Policy) version() string {
	b, err := json.Marshal(p)
	if err != nil {
		// A policy holds only strings and numbers.
		b = fmt.Appendf(nil, "%+v", p)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

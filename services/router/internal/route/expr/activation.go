package expr

import (
	"sync"

	"cel.dev/cel-go/cel"
)

// Activation gives the facts of one request to any number of conditions. A fact
// is made into a value when the first of them asks for it.
type Activation struct {
	facts  Facts
	have   uint64 // the variables whose values are of this request, as bits
	values []any
	recent []recent
	size   size
}

// size says whether a request is larger than what expressions are costed for.
type size uint8

const (
	unmeasured size = iota
	usual
	large
)

var pool = sync.Pool{New: func() any {
	return &Activation{values: make([]any, len(variables)), recent: make([]recent, len(variables))}
}}

// Activate takes an activation for a request's facts. Release gives it back.
func Activate(f *Facts) *Activation {
	a := pool.Get().(*Activation)
	a.facts, a.have, a.size = *f, 0, unmeasured
	return a
}

// Release ends the use of the activation.
func (a *Activation) Release() {
	a.facts.Labels, a.facts.Roles = nil, nil
	a.values[indexes[labelsName]], a.values[indexes["caller.roles"]] = nil, nil
	pool.Put(a)
}

// ResolveName implements cel.Activation.
func (a *Activation) ResolveName(name string) (any, bool) {
	i, ok := indexes[name]
	if !ok {
		return nil, false
	}
	if a.have&(1<<i) == 0 {
		a.values[i] = variables[i].value(&a.facts, &a.recent[i])
		a.have |= 1 << i
	}
	return a.values[i], true
}

// Parent implements cel.Activation.
func (a *Activation) Parent() cel.Activation { return nil }

func (a *Activation) large() bool {
	if a.size == unmeasured {
		a.size = usual
		if a.facts.large() {
			a.size = large
		}
	}
	return a.size == large
}

func (f *Facts) large() bool {
	for _, s := range [...]string{
		f.Model, f.Dialect, f.Task, f.Session, f.Organization, f.Team, f.User, f.Key, f.Country, f.Residency, f.Compliance,
	} {
		if len(s) > maxText {
			return true
		}
	}
	if len(f.Labels) > maxLabels || len(f.Roles) > maxRoles {
		return true
	}
	for k, v := range f.Labels {
		if len(k) > maxLabel || len(v) > maxLabel {
			return true
		}
	}
	for _, role := range f.Roles {
		if len(role) > maxText {
			return true
		}
	}
	return false
}

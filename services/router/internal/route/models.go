package route

import (
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/catalog"
)

// Model is a name that clients may ask for, with the targets that may answer,
// and what is known of it there: of several the least. What is not known of a
// target is left out of account.
type Model struct {
	Name            string
	Targets         []string
	Context, Output int64
	Input           []string
	Family          string
	Retires         time.Time
}

// Models lists the names that a caller may ask for, sorted: every exact route,
// and for patterns those names that their targets list. A model that no target
// has within what the caller's key demands is not among them.
func (t *Table) Models(c Caller) []Model {
	names := make(map[string]struct{})
	for _, e := range t.entries {
		if !isPattern(e.Model) {
			names[e.Model] = struct{}{}
			continue
		}
		for i, ref := range e.Targets {
			for _, name := range e.deployments[i].Target.Models.Names() {
				if ref.Model == "" && matches(e.Model, name) {
					names[name] = struct{}{}
				}
			}
		}
	}
	models := make([]Model, 0, len(names))
	for name := range names {
		if m := t.model(name, c); len(m.Targets) > 0 {
			models = append(models, m)
		}
	}
	slices.SortFunc(models, func(a, b Model) int { return strings.Compare(a.Name, b.Name) })
	return models
}

func (t *Table) model(name string, caller Caller) Model {
	m := Model{Name: name}
	if e, ok := t.Match(name); ok {
		var d Decision
		e.Candidates(Question{Model: name, Caller: caller}, &d)
		for _, c := range d.Order {
			m.Targets = append(m.Targets, c.Target.Name)
			m.know(c.Known)
		}
	}
	return m
}

// know takes note of one target's model.
func (m *Model) know(k *catalog.Model) {
	if k == nil {
		return
	}
	if m.Input == nil {
		m.Family, m.Input = k.Family, slices.Clone(k.Input)
	} else if m.Family != k.Family {
		m.Family = ""
	}
	m.Input = slices.DeleteFunc(m.Input, func(name string) bool { return !slices.Contains(k.Input, name) })
	m.Context, m.Output = least(m.Context, k.Context), least(m.Output, k.Output)
	if m.Retires.IsZero() || !k.Retires.IsZero() && k.Retires.Before(m.Retires) {
		m.Retires = k.Retires
	}
}

// least is the smaller of two figures of which 0 means not known.
func least(a, b int64) int64 {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

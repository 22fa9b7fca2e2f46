package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// byTask sends requests to those who are good at what they are for.
const byTask = "task"

// Task is who answers requests of one kind.
type Task struct {
	// Targets are some of the route's, in the order in which they are tried; the
	// others follow.
	Targets []Ref `yaml:"targets"`
}

// otherTask is for requests that are for nothing in particular.
const otherTask = "default"

func (r Route) validateTasks(v *config.Validator) {
	if r.Strategy == byTask && len(r.Tasks) == 0 {
		v.Fail("tasks", "is required: who answers what, for example {coding: {targets: […]}}")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Tasks)) {
		at := v.At("tasks").Key(name)
		if name == "" || len(name) > 64 {
			at.Fail("", "the name of a task must have 1 to 64 characters")
		}
		if len(r.Tasks[name].Targets) == 0 {
			at.Fail("targets", "is required: at least one of the route's targets")
		}
		for i, ref := range r.Tasks[name].Targets {
			if indexOf(r.Targets, ref.Name, ref.Model) < 0 {
				at.At("targets").Index(i).Fail("name", "%q is not one of the route's targets", ref.Name).
					WithHelp("list it under the route's targets too; with the same model")
			}
		}
	}
}

type taskStrategy struct {
	tasks  map[string]places
	wanted classes
}

// places are where a task puts the targets of a route.
type places struct {
	of     []int // by the index of Route.Targets
	listed int   // those below are the task's own
}

func newByTask(e *Entry) strategy {
	s := &taskStrategy{tasks: make(map[string]places, len(e.Tasks))}
	for name, t := range e.Tasks {
		s.wanted = s.wanted.with(name)
		p := places{make([]int, len(e.Targets)), len(t.Targets)}
		for i, r := range e.Targets {
			p.of[i] = indexFor(t.Targets, r)
			if p.of[i] < 0 {
				p.of[i] = p.listed + i
			}
		}
		s.tasks[name] = p
	}
	return s
}

// indexFor finds the place of a route's target in a task's list; -1 if it is
// not there.
func indexFor(list []Ref, r Ref) int {
	return slices.IndexFunc(list, func(t Ref) bool { return t.Name == r.Name && (t.Model == "" || t.Model == r.Model) })
}

func (s *taskStrategy) order(candidates []*Candidate, d *Decision, _ bool) float64 {
	if d.outcome.task.name == "" {
		d.outcome.task = s.find(&d.question)
	}
	p, _ := s.placesOf(d)
	for _, c := range candidates {
		place := c.ref
		if p.of != nil {
			place = p.of[c.ref]
		}
		c.Score = 1 / float64(1+place)
		c.key = c.Score
	}
	sortByKey(candidates)
	return d.outcome.task.sure
}

// find is what a request is for: what the caller says, else what it looks like.
func (s *taskStrategy) find(q *Question) finding {
	if q.Task != "" {
		return finding{name: q.Task, sure: 1}
	}
	return classify(q, s.wanted)
}

// placesOf says where the task of a request puts targets, and whether it has a
// list of its own.
func (s *taskStrategy) placesOf(d *Decision) (places, bool) {
	if p, ok := s.tasks[d.outcome.task.name]; ok {
		return p, true
	}
	return s.tasks[otherTask], false
}

// tier implements tiered: those that the task lists.
func (s *taskStrategy) tier(candidates []*Candidate, d *Decision) int {
	p, _ := s.placesOf(d)
	n := 1
	for n < len(candidates) && p.of != nil && p.of[candidates[n].ref] < p.listed {
		n++
	}
	return n
}

func (s *taskStrategy) reason(d *Decision, place int) string {
	var b strings.Builder
	task := d.outcome.task
	if d.question.Task != "" {
		fmt.Fprintf(&b, "the task is %s, as the caller says", task.name)
	} else {
		fmt.Fprintf(&b, "the task looks like %s (confidence %.2f: %s)", task.name, task.sure, task.why())
	}
	p, own := s.placesOf(d)
	switch c := d.Order[place]; {
	case p.of == nil || !own && p.of[c.ref] >= p.listed:
		b.WriteString(", for which the route has no list")
	case p.of[c.ref] >= p.listed:
		b.WriteString(", for which it is not listed")
	default:
		fmt.Fprintf(&b, ", for which it is number %d", p.of[c.ref]+1)
	}
	return b.String() + ": " + ordinal(place)
}

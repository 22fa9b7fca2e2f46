package router

import (
	"iter"

	"github.com/tollgate/tollgate/services/router/internal/observe"
)

// watched lists the models of the targets that are in force.
func (s *Service) watched() iter.Seq[observe.Watched] {
	return func(yield func(observe.Watched) bool) {
		for _, t := range s.pipeline.World().Targets {
			for _, model := range t.Monitors.Models() {
				if !yield(observe.Watched{Target: t.Name, Model: model, Monitor: t.Monitors.Of(model)}) {
					return
				}
			}
		}
	}
}

package quota

import (
	"context"
	"time"
)

// each goes through the limits.
func (g *Gate) each(f func(model string, s *scope)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for model, s := range g.scopes {
		f(model, s)
	}
}

// link tells the store what this replica granted. The store's clock has turned
// out to be some seconds further on than it was taken to be.
func (g *Gate) link(ctx context.Context, ahead int64) error {
	at := g.book.second()
	granted := make(map[string]Window)
	g.each(func(model string, s *scope) {
		if ahead != 0 {
			s.shift(ahead)
		}
		granted[model] = s.link(at)
	})
	for model, w := range granted {
		if err := g.book.shared.Replace(ctx, g.target, model, &w); err != nil {
			return err
		}
	}
	return nil
}

// flush tells the store of changes. If that fails they are in what it is told
// when it is back.
func (g *Gate) flush(ctx context.Context) {
	if !g.book.enter() {
		return
	}
	defer g.book.leave()
	changes := make(map[string]map[int64]Rates)
	g.each(func(model string, s *scope) {
		if s.linked && len(s.changes) > 0 {
			changes[model], s.changes = s.changes, nil
		}
	})
	for model, c := range changes {
		if err := g.book.shared.Adjust(ctx, g.target, model, c); err != nil {
			g.book.Away()
			return
		}
	}
}

// refresh asks what all were granted.
func (g *Gate) refresh(ctx context.Context, age time.Duration) {
	if !g.book.enter() {
		return
	}
	defer g.book.leave()
	limits := make(map[string]Rates)
	g.each(func(model string, s *scope) {
		if g.book.time().Sub(s.latestTime) >= age {
			limits[model] = s.limit
		}
	})
	for model, limit := range limits {
		reply, err := g.book.shared.Reserve(ctx, g.target, model, []Ask{{Model: model != "", Limit: limit}})
		if err != nil {
			g.book.Away()
			return
		}
		g.book.observe(reply.Time)
		g.each(func(name string, s *scope) {
			if name == model {
				s.note(reply.Windows[0], reply.Time)
			}
		})
	}
}

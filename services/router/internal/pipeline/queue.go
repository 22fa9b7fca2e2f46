package pipeline

import (
	"context"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/concurrency"
)

// queue waits for a place among those that run at once, or is turned away: more
// than the router can do well is better refused than done late.
func queue(ctx context.Context, r *request) error {
	if err := r.pipeline.places.Acquire(ctx, r.principal.Organization); err != nil {
		return err
	}
	r.began = time.Now()
	return nil
}

// leave gives the place back.
func (r *request) leave() {
	if r.began.IsZero() {
		return
	}
	now := time.Now()
	r.pipeline.places.Release(r.principal.Organization, concurrency.Sample{Time: now, Duration: now.Sub(r.began)})
}

package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/preempt"
)

// closeTimeout bounds closing everything once nothing is served any more.
const closeTimeout = 30 * time.Second

// Run serves until ctx ends, or a notice comes that the machine is taken away;
// then it lets requests end and closes everything.
func (a *App) Run(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	group, serving := errgroup.WithContext(ctx)
	a.serveAll(serving, group)
	group.Go(func() error {
		tuneGarbage(serving, garbageEvery)
		return nil
	})
	if a.options.ConfigPath != "" {
		group.Go(func() error {
			config.Watch(serving, a.options.ConfigPath, time.Second, func() { a.reload(serving) })
			return nil
		})
	}
	if cfg := a.options.Config.Preemption; cfg.Enabled() {
		group.Go(func() error {
			if notice := preempt.Watch(serving, cfg, a.log); notice != nil {
				a.log.WarnContext(serving, "the machine is taken away: draining", slog.String("reason", notice.Reason), slog.Time("until", notice.Time))
				end(notice)
			}
			return nil
		})
	}
	err := group.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return errors.Join(err, a.closers.close(ending, a.log))
}

// serveAll serves on all addresses. Where clients come in drains first: the
// requests there still need the services behind.
func (a *App) serveAll(serving context.Context, group *errgroup.Group) {
	behind, stopBehind := context.WithCancelCause(context.WithoutCancel(serving))
	var edges sync.WaitGroup
	if a.router != nil {
		context.AfterFunc(serving, a.router.Drain)
	}
	if a.http != nil {
		edges.Add(1)
		group.Go(func() error {
			defer edges.Done()
			return a.http.Serve(serving, a.httpLis)
		})
	}
	for _, s := range a.servers {
		until, done := behind, func() {}
		if s.service == Router {
			edges.Add(1)
			until, done = serving, edges.Done
		}
		group.Go(func() error {
			defer done()
			if err := s.server.Serve(until, s.listener); err != nil {
				return fmt.Errorf("serve %s: %w", s.service, err)
			}
			return nil
		})
	}
	group.Go(func() error {
		<-serving.Done()
		edges.Wait()
		stopBehind(context.Cause(serving))
		return nil
	})
}

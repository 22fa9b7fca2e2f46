package spool

import (
	"context"
	"errors"
	"os"
	"time"
)

// sync forces everything up to a write onto the disk. Writers that wait at the
// same time share one call.
func (s *Spool) sync(version int64) error {
	s.syncMu.Lock()
	defer s.syncMu.Unlock()
	if s.synced >= version {
		return nil
	}
	s.mu.Lock()
	file, now := s.segments[len(s.segments)-1].file, s.written
	s.mu.Unlock()
	if file == nil {
		return nil // closed, which has synced it
	}
	// A rotation in between has synced the file itself before closing it.
	if err := file.Sync(); err != nil && !errors.Is(err, os.ErrClosed) {
		return err
	}
	s.synced = now
	return nil
}

func (s *Spool) syncRegularly(ctx context.Context) {
	ticker := time.NewTicker(s.options.SyncInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.mu.Lock()
		version := s.written
		s.mu.Unlock()
		if err := s.sync(version); err != nil {
			s.options.Log.Error("sync usage spool", "error", err)
		}
	}
}

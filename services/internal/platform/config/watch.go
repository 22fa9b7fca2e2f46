package config

import (
	"context"
	"crypto/sha256"
	"time"
)

// Watch calls onChange whenever the content of the file at path has changed
// and has then stayed the same for one interval, so that a half-written file
// is not taken. It compares content, not times, which also holds for files
// swapped by symlink. It returns when ctx ends; run it in a goroutine. A file
// that cannot be read counts as unchanged.
func Watch(ctx context.Context, path string, interval time.Duration, onChange func()) {
	current, _ := contentHash(path)
	pending := current
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		seen, err := contentHash(path)
		switch {
		case err != nil:
		case seen == current:
			pending = current
		case seen != pending:
			pending = seen
		default:
			current = seen
			onChange()
		}
	}
}

func contentHash(path string) ([sha256.Size]byte, error) {
	data, err := read(path)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	return sha256.Sum256(data), nil
}

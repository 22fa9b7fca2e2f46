// Package filelock keeps two processes from using one folder at the same time.
package filelock

import (
	"errors"
	"fmt"
	"os"
)

// ErrTaken means that another process holds the lock.
var ErrTaken = errors.New("another process uses this folder")

// Take opens the file, making it if it is missing, and locks it until it is
// closed or the process ends, however it ends. Where the system has no such
// lock, one process per folder is up to the operator.
func Take(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	if err := lock(file); err != nil {
		return nil, errors.Join(ErrTaken, err, file.Close())
	}
	return file, nil
}

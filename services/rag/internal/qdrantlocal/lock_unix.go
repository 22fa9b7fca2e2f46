//go:build unix

package qdrantlocal

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes an exclusive lock that the kernel releases when the process ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // the server's own directory
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { // a descriptor fits an int
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

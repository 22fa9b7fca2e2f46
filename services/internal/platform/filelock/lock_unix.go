//go:build unix

package filelock

import (
	"os"

	"golang.org/x/sys/unix"
)

func lock(file *os.File) error { return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) }

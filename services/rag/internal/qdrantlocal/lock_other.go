//go:build !unix

package qdrantlocal

import "os"

// lockFile only opens the file: this platform has no advisory lock here.
func lockFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // the server's own directory
}

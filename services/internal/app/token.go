package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// internalToken returns the configured token, or the one in the data folder,
// which the first process to start makes. Processes on one machine that share
// the folder so share the token.
func internalToken(configured secret.String, dataDir string) (secret.String, error) {
	if !configured.IsZero() {
		return configured, nil
	}
	path := filepath.Join(dataDir, "internal.token")
	fresh := rand.Text() + rand.Text()
	err := writeNew(path, fresh)
	if err == nil {
		return secret.New(fresh), nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return secret.String{}, fmt.Errorf("write internal token: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return secret.String{}, fmt.Errorf("read internal token: %w", err)
	}
	return secret.New(strings.TrimSpace(string(data))), nil
}

// writeNew puts a secret into a file that did not exist, whole or not at all.
func writeNew(path, content string) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name())
	if _, err = temporary.WriteString(content + "\n"); err == nil {
		err = temporary.Sync()
	}
	if err := errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	return os.Link(temporary.Name(), path) // fails if another process was first
}

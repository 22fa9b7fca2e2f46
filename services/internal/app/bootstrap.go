package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/tollgate/tollgate/services/billing"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// bootstrap makes the first organisation and admin key at the first start,
// prints the key once and keeps it in <data>/admin.key, mode 0600.
func bootstrap(ctx context.Context, b *billing.Service, dataDir string, stdout io.Writer) (secret.String, error) {
	path := filepath.Join(dataDir, "admin.key")
	key, created, err := b.EnsureBootstrap(ctx)
	if err != nil {
		return secret.String{}, fmt.Errorf("make admin key: %w", err)
	}
	if !created {
		data, err := os.ReadFile(path) // may have been put away since
		if err != nil {
			return secret.String{}, nil
		}
		return secret.New(strings.TrimSpace(string(data))), nil
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return secret.String{}, fmt.Errorf("replace admin key: %w", err)
	}
	if err := writeNew(path, key.Reveal()); err != nil {
		return secret.String{}, fmt.Errorf("keep admin key: %w", err)
	}
	if stdout != nil {
		fmt.Fprintf(stdout, "Admin key, shown this once and kept in %s:\n  %s\n", path, key.Reveal())
	}
	return key, nil
}

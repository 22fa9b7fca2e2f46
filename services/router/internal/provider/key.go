package provider

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// lookAgain is how often a key's file is looked at.
const lookAgain = time.Second

// maxKeyFile bounds what is read of a key's file.
const maxKeyFile = 64 << 10

// Key is our credential with a provider. One that stands in a file is read
// again when the file changes, so that it can be rotated without a restart.
type Key struct {
	fixed secret.String
	file  string

	mu      sync.Mutex
	looked  time.Time
	changed time.Time
	read    secret.String
}

// Key returns the target's credential.
func (t Target) Key() *Key { return &Key{fixed: t.APIKey, file: t.APIKeyFile} }

// Current returns the credential as it is now; empty if the target has none. A
// file that cannot be read leaves the last good one in force.
func (k *Key) Current() (secret.String, error) {
	if k.file == "" {
		return k.fixed, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if now := time.Now(); now.Sub(k.looked) >= lookAgain {
		if err := k.look(); err != nil && k.read.IsZero() {
			return secret.String{}, errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH, "").
				WithCause(fmt.Errorf("read api_key_file: %w", err))
		}
		k.looked = now
	}
	return k.read, nil
}

func (k *Key) look() error {
	info, err := os.Stat(k.file)
	if err != nil || (info.ModTime().Equal(k.changed) && !k.read.IsZero()) {
		return err
	}
	if info.Size() > maxKeyFile {
		return fmt.Errorf("larger than %d bytes", maxKeyFile)
	}
	text, err := os.ReadFile(k.file)
	if err != nil {
		return err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return errors.New("is empty")
	}
	k.read, k.changed = secret.New(string(text)), info.ModTime()
	return nil
}

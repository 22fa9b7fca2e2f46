package account

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// A key's secret is "tg_", 30 random base-62 characters (178 bits), and six
// that hold the CRC-32 of what stands before them. The checksum lets mistyped
// and invented keys be refused without a look-up, and lets scanners of
// repositories recognise leaked ones.
const (
	secretPrefix   = "tg_"
	randomLength   = 30
	checksumLength = 6
	secretLength   = len(secretPrefix) + randomLength + checksumLength
	shownLength    = len(secretPrefix) + 6

	base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewSecret makes a key's secret.
func NewSecret() secret.String {
	body := secretPrefix + randomText(randomLength)
	return secret.New(body + checksum(body))
}

// WellFormed tells, without any look-up, whether a text can be a key's secret.
func WellFormed(text string) bool {
	if len(text) != secretLength || !strings.HasPrefix(text, secretPrefix) {
		return false
	}
	body := text[:secretLength-checksumLength]
	for _, c := range body[len(secretPrefix):] {
		if !strings.ContainsRune(base62, c) {
			return false
		}
	}
	return checksum(body) == text[len(body):]
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	var digits [checksumLength]byte
	for i := range digits {
		digits[len(digits)-1-i] = base62[sum%62]
		sum /= 62
	}
	return string(digits[:])
}

// randomText draws characters evenly: bytes beyond the last multiple of 62 are thrown away.
func randomText(length int) string {
	const even = 256 - 256%len(base62)
	text := make([]byte, 0, length)
	var buffer [64]byte
	for len(text) < length {
		_, _ = rand.Read(buffer[:]) // never fails
		for _, b := range buffer {
			if int(b) < even && len(text) < length {
				text = append(text, base62[int(b)%len(base62)])
			}
		}
	}
	return string(text)
}

// Pepper is the key under which secrets are hashed. Without it, a copy of the
// database tells nothing about keys. Losing it ends every key.
type Pepper struct{ bytes secret.String }

// NewPepper takes a pepper from a setting; it must have 16 bytes at least.
func NewPepper(text secret.String) (Pepper, error) {
	const shortest = 16
	if len(text.Reveal()) < shortest {
		return Pepper{}, fmt.Errorf("the pepper has less than %d characters", shortest)
	}
	return Pepper{text}, nil
}

// LoadPepper reads the pepper of a data directory, and makes one at the first start.
func LoadPepper(directory string) (Pepper, error) {
	path := filepath.Join(directory, "pepper")
	text, err := os.ReadFile(path)
	if err == nil {
		return NewPepper(secret.New(strings.TrimSpace(string(text))))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return Pepper{}, fmt.Errorf("read pepper: %w", err)
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	fresh := hex.EncodeToString(random[:])
	if err := writeNew(path, fresh+"\n"); err != nil {
		return Pepper{}, fmt.Errorf("write pepper: %w", err)
	}
	return NewPepper(secret.New(fresh))
}

// writeNew makes a file that only its owner can read; one that exists is an error.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.WriteString(text); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// Hash is what is stored of a secret: its HMAC-SHA-256 under the pepper. A
// slow hash is not needed, since secrets are random and long.
func (p Pepper) Hash(key secret.String) string {
	return hex.EncodeToString(mac([]byte(p.bytes.Reveal()), key.Reveal()))
}

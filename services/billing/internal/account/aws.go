package account

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// AWS SDKs do not send a key: they sign with one (Signature Version 4), so
// whoever checks needs the secret or something derived from it. Secrets are not
// stored; what stands in for one here is computed from the stored hash and the
// pepper, and the database alone does not give it away.
const (
	keyIDPrefix       = "key_"
	accessKeyIDPrefix = "TGAK"
	// awsSecretLabel keeps these derivations apart from Pepper.Hash, whose
	// input begins with "tg_".
	awsSecretLabel = "tollgate aws secret v1"
)

// AWSCredentials are what AWS SDKs sign with in place of a key's secret.
type AWSCredentials struct {
	AccessKeyID     string
	SecretAccessKey secret.String
}

// SigningScope is the credential scope of an AWS signature.
type SigningScope struct {
	AccessKeyID     string
	Date            string // YYYYMMDD, in UTC
	Region, Service string
}

// AWSCredentials gives the AWS credentials of a key and its secret.
func (s *Service) AWSCredentials(id string, plain secret.String) AWSCredentials {
	return AWSCredentials{
		AccessKeyID:     accessKeyIDPrefix + strings.TrimPrefix(id, keyIDPrefix),
		SecretAccessKey: s.pepper.awsSecret(id, s.pepper.Hash(plain)),
	}
}

// ResolveSigning finds the live key of an access key id, with what signatures
// of the scope are checked with, or fails with ErrBadKey.
func (s *Service) ResolveSigning(ctx context.Context, scope SigningScope) (Key, secret.String, error) {
	id, ok := strings.CutPrefix(scope.AccessKeyID, accessKeyIDPrefix)
	if !ok || id == "" {
		return Key{}, secret.String{}, ErrBadKey
	}
	if err := s.checkScope(scope); err != nil {
		return Key{}, secret.String{}, err
	}
	stored, err := s.store.FindKeyByID(ctx, keyIDPrefix+id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Key{}, secret.String{}, ErrBadKey
	case err != nil:
		return Key{}, secret.String{}, fmt.Errorf("resolve signing key: %w", err)
	case !stored.Live(s.now()):
		return Key{}, secret.String{}, ErrBadKey
	}
	return stored.Key, scope.key(s.pepper.awsSecret(stored.ID, stored.Hash)), nil
}

var scopePart = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// checkScope refuses other days than those around now, so that nobody can
// gather keys for the future.
func (s *Service) checkScope(scope SigningScope) error {
	day, err := time.Parse("20060102", scope.Date)
	if err != nil {
		return &InvalidError{"date", "must be YYYYMMDD"}
	}
	if away := s.now().UTC().Truncate(24 * time.Hour).Sub(day).Abs(); away > 24*time.Hour {
		return &InvalidError{"date", "must be at most a day away from today"}
	}
	if !scopePart.MatchString(scope.Region) {
		return &InvalidError{"region", "must be 1 to 32 lower-case letters, digits and hyphens"}
	}
	if !scopePart.MatchString(scope.Service) {
		return &InvalidError{"service", "must be 1 to 32 lower-case letters, digits and hyphens"}
	}
	return nil
}

// key derives the scope's signing key as Signature Version 4 does. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (c SigningScope) key(secretAccessKey secret.String) secret.String {
	key := []byte("AWS4" + secretAccessKey.Reveal())
	for _, part := range []string{c.Date, c.Region, c.Service, "aws4_request"} {
		key = mac(key, part)
	}
	return secret.New(string(key))
}

// awsSecret is the secret access key of a key: 43 characters.
func (p Pepper) awsSecret(id, hash string) secret.String {
	sum := mac([]byte(p.bytes.Reveal()), strings.Join([]string{awsSecretLabel, id, hash}, "\x00"))
	return secret.New(base64.RawURLEncoding.EncodeToString(sum))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// SigningScope is the credential scope of an AWS signature (Signature
// Version 4): what a derived signing key is good for.
type SigningScope struct {
	// AccessKeyID names the key.
	AccessKeyID string
	// Date is the day, YYYYMMDD in UTC.
	Date string
	// Region and Service are what the client believes it calls.
	Region, Service string
}

// SigningKeyResolver finds who owns an AWS access key id, and the derived key
// that signatures of the scope are checked with. It never gives the secret
// itself. Errors are as for KeyResolver. A KeyResolver that is one too lets its
// Authenticator check signatures.
type SigningKeyResolver interface {
	ResolveSigningKey(ctx context.Context, scope SigningScope) (*Principal, secret.String, error)
}

// ErrSignature is in the chain of errors about signatures that do not hold,
// those of a wrong clock too, as opposed to access keys that nobody has.
var ErrSignature = errors.New("the signature does not hold")

// Rules of signatures.
const (
	signingAlgorithm = "AWS4-HMAC-SHA256"
	// signingService is the only service whose name may be signed: a request
	// that was meant for another one is not meant for us.
	signingService = "bedrock"
	// maxSkew is how far a client's clock may be off.
	maxSkew = 5 * time.Minute
	// maxSignedHeaders bounds the work that a request can ask for.
	maxSignedHeaders = 64
	signingTime      = "20060102T150405Z"
)

// Signed reports whether a request is signed by an AWS SDK, so that its body is
// needed before the caller is known.
func Signed(h http.Header) bool { return strings.HasPrefix(h.Get("Authorization"), "AWS4-") }

// AuthenticateSigned finds the caller of a request that an AWS SDK has signed,
// or, if it is not signed, does what Authenticate does. body is the whole body,
// as it came. The URL must still be what the client sent.
//
// Only requests whose body is signed are taken: UNSIGNED-PAYLOAD would let
// whoever stands between change the prompt, no operation served here needs it,
// and behind a proxy there is no telling whether TLS was used. Signed streams
// of chunks, session tokens and presigned URLs are refused.
func (a *Authenticator) AuthenticateSigned(ctx context.Context, r *http.Request, body []byte) (*Principal, error) {
	if !Signed(r.Header) {
		return a.Authenticate(ctx, r.Header)
	}
	s, err := parseSignature(r.Header)
	if err != nil {
		return nil, err
	}
	payload, err := a.checkSigned(s, r, body)
	if err != nil {
		return nil, err
	}
	principal, key, err := a.signer(ctx, s.scope)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(s.sign(r, payload, key), s.sum[:]) {
		return nil, errSignature("the signature does not match the request and the secret access key")
	}
	return principal, nil
}

// checkSigned checks all that needs no key, and returns the hash of the body.
func (a *Authenticator) checkSigned(s *signature, r *http.Request, body []byte) ([]byte, error) {
	if r.Header.Get("X-Amz-Security-Token") != "" {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "session tokens are not taken: sign with the key alone")
	}
	if s.scope.Service != signingService {
		return nil, errSignature("the signature is for another service than " + signingService)
	}
	at, err := time.Parse(signingTime, s.time)
	if err != nil || !strings.HasPrefix(s.time, s.scope.Date) {
		return nil, errSignature("x-amz-date must be of the form YYYYMMDD'T'hhmmss'Z' and of the day in the credential")
	}
	if a.now().Sub(at).Abs() > maxSkew {
		return nil, errSignature("the signature is too old or from the future: check the clock")
	}
	sum := sha256.Sum256(body)
	payload := hex.AppendEncode(nil, sum[:])
	if declared := r.Header.Get("X-Amz-Content-Sha256"); declared != "" && declared != string(payload) {
		return nil, errSignature("x-amz-content-sha256 must be the SHA-256 of the body; unsigned and chunk-signed bodies are not taken")
	}
	return payload, nil
}

// signer finds the principal and the signing key of a scope, from the cache if it may.
func (a *Authenticator) signer(ctx context.Context, scope SigningScope) (*Principal, []byte, error) {
	if a.signing == nil {
		return nil, nil, errUnknownKey()
	}
	id := hashKey(strings.Join([]string{scope.AccessKeyID, scope.Date, scope.Region, scope.Service}, "/"))
	e, err := a.find(ctx, a.signers, id, func(ctx context.Context) (*Principal, secret.String, error) {
		return a.signing.ResolveSigningKey(ctx, scope)
	})
	if err != nil {
		return nil, nil, err
	}
	return e.principal, []byte(e.signing.Reveal()), nil
}

func errSignature(message string) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "%s", message).WithCause(ErrSignature)
}

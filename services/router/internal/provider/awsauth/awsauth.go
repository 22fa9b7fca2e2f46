// Package awsauth puts our credentials with AWS on requests: a signature of
// version 4, or a bearer key.
package awsauth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Signer signs the requests of one target for one of AWS's services.
type Signer struct {
	service, region string
	// key is the target's bearer key, where the service takes one.
	key         *provider.Key
	credentials *aws.CredentialsCache
	signer      *v4.Signer
}

// New makes the signer of a target. The credentials are looked for when they
// are first needed, but a profile that does not exist is an error at once. A
// target with a key of its own sends that, if the service takes bearer keys.
func New(ctx context.Context, t provider.Target, service string, bearer bool) (*Signer, error) {
	s := &Signer{service: service, region: t.Region, signer: v4.NewSigner()}
	if bearer && (!t.APIKey.IsZero() || t.APIKeyFile != "") {
		s.key = t.Key()
		return s, nil
	}
	if t.Region == "" {
		return nil, fmt.Errorf("target %s: region is required to sign requests to AWS", t.Name)
	}
	source, err := newSource(ctx, t)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	s.credentials = aws.NewCredentialsCache(source, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow, o.ExpiryWindowJitterFrac = expiryWindow, 0.5
	})
	return s, nil
}

// expiryWindow is how long before their end credentials are renewed.
const expiryWindow = 2 * time.Minute

// Prepare puts the credential on a request whose body is given. It must be the
// last to touch the headers that are there; what is added later is not signed.
func (s *Signer) Prepare(r *http.Request, body []byte) error {
	if s.key != nil {
		key, err := s.key.Current()
		if err == nil {
			r.Header.Set("Authorization", "Bearer "+key.Reveal())
		}
		return err
	}
	credentials, err := s.credentials.Retrieve(r.Context())
	if err != nil {
		if r.Context().Err() != nil {
			return errs.From(context.Cause(r.Context()))
		}
		return noCredentials(err)
	}
	sum := sha256.Sum256(body)
	err = s.signer.SignHTTP(r.Context(), credentials, r, hex.EncodeToString(sum[:]), s.service, s.region, time.Now())
	if err != nil {
		return errs.Internal(fmt.Errorf("sign request: %w", err))
	}
	return nil
}

// noCredentials is the error of a chain that has none to give. Its text may
// hold addresses and names of accounts, so that only a code is kept.
func noCredentials(err error) error {
	cause := "no credentials"
	var api smithy.APIError
	if errors.As(err, &api) {
		cause += ": " + api.ErrorCode()
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH, "").WithCause(errors.New(cause))
}

// Address puts the target's region into an address, for targets that do not say
// where their API begins.
func Address(t provider.Target, standard string) string {
	if t.BaseURL != "" {
		return t.BaseURL
	}
	return strings.ReplaceAll(standard, "{region}", t.Region)
}

// Validate reports what is wrong with a target's credentials.
func Validate(t provider.Target, v *config.Validator) {
	if t.Region == "" {
		v.Fail("region", "is required for targets of AWS")
	}
	if (t.AWS.AccessKeyID == "") != t.AWS.SecretAccessKey.IsZero() {
		v.Fail("aws.secret_access_key", "belongs to aws.access_key_id: set both or none")
	}
	if t.AWS.AccessKeyID == "" && !t.AWS.SessionToken.IsZero() {
		v.Fail("aws.session_token", "needs aws.access_key_id")
	}
	if t.AWS.AccessKeyID != "" && t.AWS.Profile != "" {
		v.Fail("aws.profile", "cannot be used with aws.access_key_id")
	}
}

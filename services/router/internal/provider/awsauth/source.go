package awsauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// lookAgain is how often credentials that do not expire, such as those in a
// file, are looked up again, so that they can be rotated without a restart.
const lookAgain = 5 * time.Minute

// session names us to whom we take on a role of.
const session = "tollgate"

// source is the SDK's chain of credentials. The SDK reads files once, when the
// chain is made; source makes it again if what it gave does not expire.
type source struct {
	load func(context.Context) (aws.Config, error)

	mu     sync.Mutex
	chain  aws.CredentialsProvider
	static bool
}

// newSource makes the source of a target's credentials.
func newSource(ctx context.Context, t provider.Target) (aws.CredentialsProvider, error) {
	options := []func(*config.LoadOptions) error{config.WithRegion(t.Region)}
	if t.AWS.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(t.AWS.Profile))
	}
	if t.AWS.AccessKeyID != "" {
		fixed := credentials.NewStaticCredentialsProvider(t.AWS.AccessKeyID, t.AWS.SecretAccessKey.Reveal(), t.AWS.SessionToken.Reveal())
		if t.AWS.RoleARN == "" {
			return fixed, nil
		}
		options = append(options, config.WithCredentialsProvider(fixed))
	}
	s := &source{load: func(ctx context.Context) (aws.Config, error) {
		return config.LoadDefaultConfig(ctx, options...)
	}}
	first, err := s.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("load AWS configuration: %w", err)
	}
	if t.AWS.RoleARN != "" {
		// What a role gives expires, so that its keys are asked for again in time.
		return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(first), t.AWS.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			o.RoleSessionName = session
		}), nil
	}
	s.chain = first.Credentials
	return s, nil
}

// Retrieve implements aws.CredentialsProvider.
func (s *source) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.static {
		if again, err := s.load(ctx); err == nil { // else the last chain goes on
			s.chain = again.Credentials
		}
	}
	got, err := s.chain.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, err
	}
	if s.static = !got.CanExpire; s.static {
		got.CanExpire, got.Expires = true, time.Now().Add(lookAgain+expiryWindow)
	}
	return got, nil
}

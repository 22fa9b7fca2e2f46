package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// CreateKey makes a key in the actor's organisation. The secret is returned
// here and kept nowhere.
func (s *Service) CreateKey(ctx context.Context, actor Actor, key Key) (Key, secret.String, error) {
	if err := s.checkKey(&key); err != nil {
		return Key{}, secret.String{}, err
	}
	if key.HasRole(Operator) && !actor.Operator {
		return Key{}, secret.String{}, fmt.Errorf("%w: only an operator grants the role operator", ErrDenied)
	}
	stored, plain := s.issue(actor.Organization, key)
	if err := s.store.CreateKey(ctx, stored, s.change(actor, "keys.create", "keys/"+stored.ID)); err != nil {
		return Key{}, secret.String{}, err
	}
	return stored.Key, plain, nil
}

// issue gives a key its identity and secret.
func (s *Service) issue(organization string, key Key) (StoredKey, secret.String) {
	plain := NewSecret()
	key.Organization, key.Created, key.Revoked = organization, s.now().UTC().Truncate(time.Microsecond), time.Time{}
	key.ID = keyIDPrefix + randomText(16)
	key.Prefix = plain.Reveal()[:shownLength]
	return StoredKey{Key: key, Hash: s.pepper.Hash(plain)}, plain
}

func (s *Service) checkKey(key *Key) error {
	if len(key.Roles) == 0 {
		return &InvalidError{"key.roles", "is empty: a key needs at least one role"}
	}
	for _, role := range key.Roles {
		if !slices.Contains([]Role{Viewer, Developer, Admin, Operator}, role) {
			return &InvalidError{"key.roles", "has an unknown role"}
		}
	}
	for i, glob := range key.AllowedModels {
		if glob == "" || strings.Contains(strings.TrimSuffix(glob, "*"), "*") {
			return &InvalidError{fmt.Sprintf("key.allowed_models[%d]", i), "may have one *, at its end"}
		}
	}
	if err := checkDemand("key.residency", key.Residency, maxResidency); err != nil {
		return err
	}
	if err := checkDemand("key.compliance", key.Compliance, maxCompliance); err != nil {
		return err
	}
	if key.RequestsPerMinute < 0 || key.TokensPerMinute < 0 {
		return &InvalidError{"key", "has a negative limit"}
	}
	if !key.Expires.IsZero() && !key.Expires.After(s.now()) {
		return &InvalidError{"key.expire_time", "has passed"}
	}
	return nil
}

// ListKeys lists keys, the newest first, ended ones only when asked for.
func (s *Service) ListKeys(ctx context.Context, organization string, ended bool, page Page) ([]Key, error) {
	return s.store.ListKeys(ctx, organization, ended, page)
}

// RevokeKey ends a key for good. Revoking it again changes nothing.
func (s *Service) RevokeKey(ctx context.Context, actor Actor, id string) (Key, error) {
	key, err := s.store.RevokeKey(ctx, id, s.change(actor, "keys.revoke", "keys/"+id))
	if err == nil {
		s.changed(id)
	}
	return key, err
}

// Resolve finds the live key of a secret, or fails with ErrBadKey. A secret
// with a wrong checksum costs no look-up.
func (s *Service) Resolve(ctx context.Context, plain secret.String) (Key, error) {
	if !WellFormed(plain.Reveal()) {
		return Key{}, ErrBadKey
	}
	key, err := s.store.FindKey(ctx, s.pepper.Hash(plain))
	switch {
	case errors.Is(err, ErrNotFound):
		return Key{}, ErrBadKey
	case err != nil:
		return Key{}, fmt.Errorf("resolve key: %w", err)
	case !key.Live(s.now()):
		return Key{}, ErrBadKey
	}
	return key, nil
}

// KeyCursor is where the next page of keys begins after this one.
func KeyCursor(key *Key) string { return fmt.Sprintf("%d:%s", key.Created.UnixMicro(), key.ID) }

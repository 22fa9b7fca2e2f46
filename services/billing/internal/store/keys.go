package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/account"
)

const keyColumns = `id, organization_id, prefix, display_name, team_id, user_id, roles, allowed_models, allowed_collections,
 residency, compliance, requests_per_minute, tokens_per_minute, expires_at, revoked_at, created_at`

// CreateKey implements account.KeyStore.
func (s *Store) CreateKey(ctx context.Context, key account.StoredKey, change account.Change) error {
	return s.change(ctx, "create key", change, func(tx *tx) error {
		if err := s.mustExist(tx, "teams", key.Organization, key.Team); err != nil {
			return fmt.Errorf("team: %w", err)
		}
		if err := s.mustExist(tx, "users", key.Organization, key.User); err != nil {
			return fmt.Errorf("user: %w", err)
		}
		return insertKey(tx, &key)
	})
}

func insertKey(tx *tx, key *account.StoredKey) error {
	roles := make([]string, len(key.Roles))
	for i, role := range key.Roles {
		roles[i] = string(role)
	}
	_, err := tx.exec(`INSERT INTO api_keys (`+keyColumns+`, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		key.ID, key.Organization, key.Prefix, storable(key.DisplayName), key.Team, key.User, list(roles),
		storable(list(key.AllowedModels)), storable(list(key.AllowedCollections)), key.Residency, key.Compliance,
		key.RequestsPerMinute, key.TokensPerMinute, stamp(key.Expires), stamp(key.Revoked), stamp(key.Created), key.Hash)
	return err
}

// scanKey reads keyColumns, and into more the columns that follow them.
func scanKey(row scanner, more ...any) (account.Key, error) {
	var key account.Key
	var roles, models, collections string
	var expires, revoked, created int64
	err := row.Scan(append([]any{
		&key.ID, &key.Organization, &key.Prefix, &key.DisplayName, &key.Team, &key.User, &roles, &models, &collections,
		&key.Residency, &key.Compliance,
		&key.RequestsPerMinute, &key.TokensPerMinute, &expires, &revoked, &created,
	}, more...)...)
	if err != nil {
		return key, err
	}
	key.Expires, key.Revoked, key.Created = unstamp(expires), unstamp(revoked), unstamp(created)
	names, err := unlist(roles)
	for _, name := range names {
		key.Roles = append(key.Roles, account.Role(name))
	}
	if err == nil {
		key.AllowedModels, err = unlist(models)
	}
	if err == nil {
		key.AllowedCollections, err = unlist(collections)
	}
	return key, err
}

// ListKeys implements account.KeyStore.
func (s *Store) ListKeys(ctx context.Context, organization string, ended bool, page account.Page) ([]account.Key, error) {
	query := `SELECT ` + keyColumns + ` FROM api_keys WHERE organization_id = ?`
	args := []any{organization}
	if !ended {
		query += ` AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?)`
		args = append(args, stamp(time.Now()))
	}
	if page.After != "" {
		text, id, _ := strings.Cut(page.After, ":")
		created, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, &account.InvalidError{Field: "page_token", Message: "is not of this list"}
		}
		query += ` AND (created_at < ? OR (created_at = ? AND id < ?))`
		args = append(args, created, created, id)
	}
	var found []account.Key
	err := s.query(ctx, query+` ORDER BY created_at DESC, id DESC LIMIT ?`, append(args, page.Limit), func(row scanner) error {
		key, err := scanKey(row)
		found = append(found, key)
		return err
	})
	return found, wrap("list keys", err)
}

// RevokeKey implements account.KeyStore. A key that is revoked already stays
// as it is, without another event.
func (s *Store) RevokeKey(ctx context.Context, id string, change account.Change) (account.Key, error) {
	var key account.Key
	err := s.writer.do(ctx, func(tx *tx) error {
		changed, err := tx.exec(`UPDATE api_keys SET revoked_at = ? WHERE organization_id = ? AND id = ? AND revoked_at = 0`,
			stamp(change.At), change.Organization, id)
		if err != nil {
			return err
		}
		found := false
		err = tx.rows(`SELECT `+keyColumns+` FROM api_keys WHERE organization_id = ? AND id = ?`, []any{change.Organization, id},
			func(row scanner) (err error) {
				found = true
				key, err = scanKey(row)
				return err
			})
		switch {
		case err != nil:
			return err
		case !found:
			return account.ErrNotFound
		case changed == 0:
			return nil
		}
		return s.audit(tx, change)
	})
	return key, wrap("revoke key", err)
}

// FindKey implements account.KeyStore.
func (s *Store) FindKey(ctx context.Context, hash string) (account.Key, error) {
	stored, err := s.findKey(ctx, "hash", hash)
	return stored.Key, err
}

// FindKeyByID implements account.KeyStore.
func (s *Store) FindKeyByID(ctx context.Context, id string) (account.StoredKey, error) {
	return s.findKey(ctx, "id", id)
}

func (s *Store) findKey(ctx context.Context, column, value string) (account.StoredKey, error) {
	var stored account.StoredKey
	found := false
	err := s.query(ctx, `SELECT `+keyColumns+`, hash FROM api_keys WHERE `+column+` = ?`, []any{value}, func(row scanner) (err error) {
		found = true
		stored.Key, err = scanKey(row, &stored.Hash)
		return err
	})
	if err == nil && !found {
		err = account.ErrNotFound
	}
	return stored, wrap("find key", err)
}

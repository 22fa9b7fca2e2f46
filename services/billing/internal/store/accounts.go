package store

import (
	"context"

	"github.com/tollgate/tollgate/services/billing/internal/account"
)

// change runs a change of accounts and its audit event in one transaction.
func (s *Store) change(ctx context.Context, what string, change account.Change, run func(*tx) error) error {
	err := s.writer.do(ctx, func(tx *tx) error {
		if err := run(tx); err != nil {
			return err
		}
		return s.audit(tx, change)
	})
	if isDuplicate(err) {
		return account.ErrExists
	}
	return wrap(what, err)
}

// audit appends an event to the organisation's chain.
func (s *Store) audit(tx *tx, change account.Change) error {
	if err := tx.exclude(auditLock, change.Organization); err != nil {
		return err
	}
	var sequence int64
	var hash string
	err := tx.row(`SELECT sequence, hash FROM audit_events WHERE organization_id = ? ORDER BY sequence DESC LIMIT 1`,
		[]any{change.Organization}, &sequence, &hash)
	if err != nil && !isNoRows(err) {
		return wrap("read audit log", err)
	}
	event := change.Chain(sequence, hash)
	_, err = tx.exec(`INSERT INTO audit_events (organization_id, sequence, happened_at, actor, action, resource, hash) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		event.Organization, event.Sequence, stamp(event.At), event.Actor, event.Action, event.Resource, event.Hash)
	return wrap("write audit log", err)
}

// ListEvents implements account.AuditLog.
func (s *Store) ListEvents(ctx context.Context, organization string, before int64, limit int) ([]account.Event, error) {
	query := `SELECT sequence, happened_at, actor, action, resource, hash FROM audit_events WHERE organization_id = ? AND (CAST(? AS BIGINT) = 0 OR sequence < CAST(? AS BIGINT)) ORDER BY sequence DESC LIMIT ?`
	var events []account.Event
	err := s.query(ctx, query, []any{organization, before, before, limit}, func(row scanner) error {
		var event account.Event
		var at int64
		err := row.Scan(&event.Sequence, &at, &event.Actor, &event.Action, &event.Resource, &event.Hash)
		event.Organization, event.At = organization, unstamp(at)
		events = append(events, event)
		return err
	})
	return events, wrap("list audit events", err)
}

// CreateOrganization implements account.OrganizationStore.
func (s *Store) CreateOrganization(ctx context.Context, o account.Organization, user account.User, key account.StoredKey, change account.Change) error {
	return s.change(ctx, "create organisation", change, func(tx *tx) error {
		_, err := tx.exec(`INSERT INTO organizations (id, display_name, created_at) VALUES (?, ?, ?)`, o.ID, storable(o.DisplayName), stamp(o.Created))
		if err != nil {
			return err
		}
		if err := insertUser(tx, &user); err != nil {
			return err
		}
		return insertKey(tx, &key)
	})
}

// ListOrganizations implements account.OrganizationStore.
func (s *Store) ListOrganizations(ctx context.Context, page account.Page) ([]account.Organization, error) {
	var found []account.Organization
	err := s.query(ctx, `SELECT id, display_name, created_at FROM organizations WHERE id > ? ORDER BY id LIMIT ?`,
		[]any{page.After, page.Limit}, func(row scanner) error {
			var o account.Organization
			var created int64
			err := row.Scan(&o.ID, &o.DisplayName, &created)
			o.Created = unstamp(created)
			found = append(found, o)
			return err
		})
	return found, wrap("list organisations", err)
}

// CreateTeam implements account.TeamStore.
func (s *Store) CreateTeam(ctx context.Context, team account.Team, change account.Change) error {
	return s.change(ctx, "create team", change, func(tx *tx) error {
		_, err := tx.exec(`INSERT INTO teams (organization_id, id, display_name, created_at) VALUES (?, ?, ?, ?)`,
			team.Organization, team.ID, storable(team.DisplayName), stamp(team.Created))
		return err
	})
}

// ListTeams implements account.TeamStore.
func (s *Store) ListTeams(ctx context.Context, organization string, page account.Page) ([]account.Team, error) {
	var found []account.Team
	err := s.query(ctx, `SELECT id, display_name, created_at FROM teams WHERE organization_id = ? AND id > ? ORDER BY id LIMIT ?`,
		[]any{organization, page.After, page.Limit}, func(row scanner) error {
			team := account.Team{Organization: organization}
			var created int64
			err := row.Scan(&team.ID, &team.DisplayName, &created)
			team.Created = unstamp(created)
			found = append(found, team)
			return err
		})
	return found, wrap("list teams", err)
}

// DeleteTeam implements account.TeamStore.
func (s *Store) DeleteTeam(ctx context.Context, id string, change account.Change) error {
	return s.change(ctx, "delete team", change, func(tx *tx) error {
		var members int64
		err := tx.row(`SELECT (SELECT COUNT(*) FROM users WHERE organization_id = ? AND team_id = ?)
		 + (SELECT COUNT(*) FROM api_keys WHERE organization_id = ? AND team_id = ? AND revoked_at = 0 AND (expires_at = 0 OR expires_at > ?))`,
			[]any{change.Organization, id, change.Organization, id, stamp(change.At)}, &members)
		if err != nil {
			return err
		}
		if members > 0 {
			return account.ErrInUse
		}
		return deleted(tx.exec(`DELETE FROM teams WHERE organization_id = ? AND id = ?`, change.Organization, id))
	})
}

// deleted turns the change of no row into ErrNotFound.
func deleted(changed int64, err error) error {
	if err == nil && changed == 0 {
		return account.ErrNotFound
	}
	return err
}

// CreateUser implements account.UserStore.
func (s *Store) CreateUser(ctx context.Context, user account.User, change account.Change) error {
	return s.change(ctx, "create user", change, func(tx *tx) error {
		if err := s.mustExist(tx, "teams", user.Organization, user.Team); err != nil {
			return err
		}
		return insertUser(tx, &user)
	})
}

func insertUser(tx *tx, user *account.User) error {
	_, err := tx.exec(`INSERT INTO users (organization_id, id, display_name, team_id, created_at) VALUES (?, ?, ?, ?, ?)`,
		user.Organization, user.ID, storable(user.DisplayName), user.Team, stamp(user.Created))
	return err
}

// mustExist fails with ErrNotFound when a team or user that is named does not
// exist; on PostgreSQL it also keeps it from being deleted meanwhile.
func (s *Store) mustExist(tx *tx, table, organization, id string) error {
	if id == "" {
		return nil
	}
	var found string
	err := tx.row(`SELECT id FROM `+table+` WHERE organization_id = ? AND id = ?`+s.dialect.lock, []any{organization, id}, &found)
	if isNoRows(err) {
		return account.ErrNotFound
	}
	return err
}

// ListUsers implements account.UserStore.
func (s *Store) ListUsers(ctx context.Context, organization string, page account.Page) ([]account.User, error) {
	var found []account.User
	err := s.query(ctx, `SELECT id, display_name, team_id, created_at FROM users WHERE organization_id = ? AND id > ? ORDER BY id LIMIT ?`,
		[]any{organization, page.After, page.Limit}, func(row scanner) error {
			user := account.User{Organization: organization}
			var created int64
			err := row.Scan(&user.ID, &user.DisplayName, &user.Team, &created)
			user.Created = unstamp(created)
			found = append(found, user)
			return err
		})
	return found, wrap("list users", err)
}

// DeleteUser implements account.UserStore.
func (s *Store) DeleteUser(ctx context.Context, id string, change account.Change) ([]string, error) {
	var ended []string
	err := s.change(ctx, "delete user", change, func(tx *tx) error {
		ended = ended[:0]
		err := tx.rows(`SELECT id FROM api_keys WHERE organization_id = ? AND user_id = ? AND revoked_at = 0`+s.dialect.lock,
			[]any{change.Organization, id}, func(row scanner) error {
				var key string
				err := row.Scan(&key)
				ended = append(ended, key)
				return err
			})
		if err != nil {
			return err
		}
		for _, key := range ended {
			if _, err := tx.exec(`UPDATE api_keys SET revoked_at = ? WHERE id = ?`, stamp(change.At), key); err != nil {
				return err
			}
		}
		return deleted(tx.exec(`DELETE FROM users WHERE organization_id = ? AND id = ?`, change.Organization, id))
	})
	return ended, err
}

package account

import (
	"context"
	"time"
)

// Page asks for part of a list: what comes after a cursor, at most so much.
type Page struct {
	After string // the cursor that the page before ended with; empty: the first page
	Limit int
}

// OrganizationStore keeps organisations. Every change of a store is written
// together with its audit event.
type OrganizationStore interface {
	// CreateOrganization also stores the organisation's first user and key.
	CreateOrganization(ctx context.Context, organization Organization, user User, key StoredKey, change Change) error
	ListOrganizations(ctx context.Context, page Page) ([]Organization, error)
}

// TeamStore keeps teams, by id.
type TeamStore interface {
	CreateTeam(ctx context.Context, team Team, change Change) error
	ListTeams(ctx context.Context, organization string, page Page) ([]Team, error)
	// DeleteTeam fails with ErrInUse while the team has users or live keys.
	DeleteTeam(ctx context.Context, id string, change Change) error
}

// UserStore keeps users, by id.
type UserStore interface {
	CreateUser(ctx context.Context, user User, change Change) error
	ListUsers(ctx context.Context, organization string, page Page) ([]User, error)
	// DeleteUser also revokes the user's keys and returns their ids.
	DeleteUser(ctx context.Context, id string, change Change) ([]string, error)
}

// StoredKey is a key with the hash of its secret.
type StoredKey struct {
	Key
	Hash string
}

// KeyStore keeps keys.
type KeyStore interface {
	// CreateKey fails with ErrNotFound when the key's team or user does not exist.
	CreateKey(ctx context.Context, key StoredKey, change Change) error
	// ListKeys lists the newest first; the cursor is KeyCursor of the last.
	ListKeys(ctx context.Context, organization string, ended bool, page Page) ([]Key, error)
	RevokeKey(ctx context.Context, id string, change Change) (Key, error)
	// FindKey looks a key up by the hash of its secret, or fails with ErrNotFound.
	FindKey(ctx context.Context, hash string) (Key, error)
	// FindKeyByID looks a key up by its id in any organisation, or fails with ErrNotFound.
	FindKeyByID(ctx context.Context, id string) (StoredKey, error)
}

// AuditLog reads events, the newest first, before a sequence (0: from the end).
type AuditLog interface {
	ListEvents(ctx context.Context, organization string, before int64, limit int) ([]Event, error)
}

// Store is everything that accounts are kept in.
type Store interface {
	OrganizationStore
	TeamStore
	UserStore
	KeyStore
	AuditLog
}

// Service manages accounts. Whoever calls it has checked that the actor is an
// admin of the organisation; what only operators may do is checked here.
type Service struct {
	store   Store
	pepper  Pepper
	changed func(keyID string)
	now     func() time.Time
}

// NewService makes the service. changed is told the id of each key that ends
// before its time; it may be nil.
func NewService(store Store, pepper Pepper, changed func(keyID string)) *Service {
	if changed == nil {
		changed = func(string) {}
	}
	return &Service{store: store, pepper: pepper, changed: changed, now: time.Now}
}

func (s *Service) change(actor Actor, action, resource string) Change {
	return Change{Organization: actor.Organization, Actor: actor.Name, Action: action, Resource: resource, At: s.now()}
}

// CreateTeam makes a team in the actor's organisation.
func (s *Service) CreateTeam(ctx context.Context, actor Actor, team Team) (Team, error) {
	if err := checkID("team.name", team.ID); err != nil {
		return Team{}, err
	}
	team.Organization, team.Created = actor.Organization, s.now().UTC()
	return team, s.store.CreateTeam(ctx, team, s.change(actor, "teams.create", "teams/"+team.ID))
}

// ListTeams lists teams by id.
func (s *Service) ListTeams(ctx context.Context, organization string, page Page) ([]Team, error) {
	return s.store.ListTeams(ctx, organization, page)
}

// DeleteTeam deletes a team that nobody uses any more.
func (s *Service) DeleteTeam(ctx context.Context, actor Actor, id string) error {
	return s.store.DeleteTeam(ctx, id, s.change(actor, "teams.delete", "teams/"+id))
}

// CreateUser makes a user in the actor's organisation.
func (s *Service) CreateUser(ctx context.Context, actor Actor, user User) (User, error) {
	if err := checkID("user.name", user.ID); err != nil {
		return User{}, err
	}
	user.Organization, user.Created = actor.Organization, s.now().UTC()
	return user, s.store.CreateUser(ctx, user, s.change(actor, "users.create", "users/"+user.ID))
}

// ListUsers lists users by id.
func (s *Service) ListUsers(ctx context.Context, organization string, page Page) ([]User, error) {
	return s.store.ListUsers(ctx, organization, page)
}

// DeleteUser deletes a user and ends the user's keys.
func (s *Service) DeleteUser(ctx context.Context, actor Actor, id string) error {
	ended, err := s.store.DeleteUser(ctx, id, s.change(actor, "users.delete", "users/"+id))
	if err != nil {
		return err
	}
	for _, key := range ended {
		s.changed(key)
	}
	return nil
}

// ListEvents lists the audit log of an organisation, the newest first.
func (s *Service) ListEvents(ctx context.Context, organization string, before int64, limit int) ([]Event, error) {
	return s.store.ListEvents(ctx, organization, before, limit)
}

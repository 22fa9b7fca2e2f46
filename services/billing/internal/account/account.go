// Package account keeps who may use Tollgate: organisations, teams, users,
// virtual keys and their roles, with an audit event for every change.
package account

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Errors of accounts; test with errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrInUse    = errors.New("still in use")
	ErrDenied   = errors.New("not permitted")
	ErrBadKey   = errors.New("the key is unknown, expired or revoked")
)

// InvalidError names a field that cannot be accepted.
type InvalidError struct{ Field, Message string }

// Error is public.
func (e *InvalidError) Error() string { return e.Field + " " + e.Message }

// Role is what a key may do. The roles are fixed.
type Role string

// The roles, from the weakest.
const (
	Viewer    Role = "viewer"    // reads documents, reports and settings
	Developer Role = "developer" // also calls models and searches documents
	Admin     Role = "admin"     // also manages the organisation
	Operator  Role = "operator"  // also manages organisations and the installation
)

// Organization is a tenant.
type Organization struct {
	ID, DisplayName string
	Created         time.Time
}

// Team is a part of an organisation; its id is unique there.
type Team struct {
	Organization, ID, DisplayName string
	Created                       time.Time
}

// User is a person or a piece of software; its id is unique in the organisation.
type User struct {
	Organization, ID, DisplayName string
	Team                          string // may be empty
	Created                       time.Time
}

// Key is a virtual key without its secret.
type Key struct {
	ID, Organization   string
	DisplayName        string
	Prefix             string // the first characters of the secret
	Team, User         string // may be empty
	Roles              []Role
	AllowedModels      []string // globs; empty: all
	AllowedCollections []string // empty: all
	Residency          string   // the jurisdiction that its requests must not leave; empty: none
	Compliance         string   // the class that its targets must have; empty: none
	RequestsPerMinute  int64    // 0: no limit
	TokensPerMinute    int64    // 0: no limit
	Expires            time.Time
	Revoked            time.Time
	Created            time.Time
}

// Live tells whether the key may be used at a moment.
func (k *Key) Live(at time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || at.Before(k.Expires))
}

// HasRole tells whether the key has a role.
func (k *Key) HasRole(role Role) bool {
	for _, has := range k.Roles {
		if has == role {
			return true
		}
	}
	return false
}

// Actor is who asks for a change: a key with its roles, or the system.
type Actor struct {
	Organization string
	Name         string // keys/… or "system"
	Operator     bool   // may manage organisations and grant the operator role
}

// System acts for the installation itself, when it first starts.
var System = Actor{Name: "system", Operator: true}

// demandPattern is what jurisdictions and compliance classes look like. Which of
// them there are is the router's configuration, which is not known here: a key
// that demands what no target has is refused every request, not let through.
var demandPattern = regexp.MustCompile(`^([a-z][a-z0-9-]*)?$`)

const maxResidency, maxCompliance = 32, 64

func checkDemand(field, value string, most int) error {
	if len(value) > most || !demandPattern.MatchString(value) {
		return &InvalidError{field, fmt.Sprintf("must be at most %d lower-case letters, digits and hyphens, beginning with a letter", most)}
	}
	return nil
}

var idPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)

func checkID(field, id string) error {
	if !idPattern.MatchString(id) {
		return &InvalidError{field, "must be 1 to 63 lower-case letters, digits and hyphens, not beginning with a hyphen"}
	}
	return nil
}

// Package budget keeps spending inside limits: budgets of organisations,
// teams, users and keys over calendar windows, and holds that reserve the
// worst case of a request before it is sent.
package budget

import (
	"strings"
	"time"
)

// Scopes says who pays for a request, as ids; all but the organisation may be empty.
type Scopes struct {
	Organization, Team, User, Key string
}

// Kinds of scope, as collection names of resources.
const (
	organizations = "organizations"
	teams         = "teams"
	users         = "users"
	keys          = "keys"
)

// Names lists the scopes as resource names, the widest first. Two
// organisations may use the same name of a team: names are unique within one.
func (s Scopes) Names() []string {
	names := make([]string, 0, 4)
	for _, part := range [...][2]string{{organizations, s.Organization}, {teams, s.Team}, {users, s.User}, {keys, s.Key}} {
		if part[1] != "" {
			names = append(names, part[0]+"/"+part[1])
		}
	}
	return names
}

// Narrowest is the name of the last scope: the account that is charged.
func (s Scopes) Narrowest() string {
	names := s.Names()
	if len(names) == 0 {
		return ""
	}
	return names[len(names)-1]
}

// ValidScope tells whether a text is a scope's resource name. An
// organisation's budget may only be its own.
func ValidScope(organization, name string) bool {
	kind, id, ok := strings.Cut(name, "/")
	if !ok || id == "" {
		return false
	}
	switch kind {
	case organizations:
		return id == organization
	case teams, users, keys:
		return true
	}
	return false
}

// Window is the time over which a budget counts: calendar time in UTC.
type Window int

// The windows.
const (
	Total Window = iota + 1
	Day
	Week // from Monday
	Month
)

// Windows lists them all.
var Windows = [...]Window{Total, Day, Week, Month}

// String is the window's name.
func (w Window) String() string {
	return [...]string{"unknown", "total", "day", "week", "month"}[max(0, min(int(w), 4))]
}

// Start is the beginning of the window that holds a moment; the beginning of
// Total is the Unix epoch. A window is never reset: usage counts in the window
// of its own time.
func (w Window) Start(at time.Time) time.Time {
	at = at.UTC()
	midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	switch w {
	case Day:
		return midnight
	case Week:
		sinceMonday := (int(midnight.Weekday()) + 6) % 7
		return midnight.AddDate(0, 0, -sinceMonday)
	case Month:
		return time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Unix(0, 0).UTC()
}

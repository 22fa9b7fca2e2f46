package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/account"
	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// firstPage is large enough for these tests.
var firstPage = account.Page{Limit: 100}

func accounts(t *testing.T, w *world) {
	w.found(t)
	must[account.Team](t)(w.accounts.CreateTeam(w.ctx, acme, account.Team{ID: "eng", DisplayName: "Engineering"}))
	if _, err := w.accounts.CreateTeam(w.ctx, acme, account.Team{ID: "eng"}); !errors.Is(err, account.ErrExists) {
		t.Errorf("the same team again: %v", err)
	}
	var invalid *account.InvalidError
	if _, err := w.accounts.CreateTeam(w.ctx, acme, account.Team{ID: "Eng!"}); !errors.As(err, &invalid) {
		t.Errorf("a bad id: %v", err)
	}
	must[account.User](t)(w.accounts.CreateUser(w.ctx, acme, account.User{ID: "ada", Team: "eng"}))
	if _, err := w.accounts.CreateUser(w.ctx, acme, account.User{ID: "bob", Team: "ghosts"}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a user of no team: %v", err)
	}
	if err := w.accounts.DeleteTeam(w.ctx, acme, "eng"); !errors.Is(err, account.ErrInUse) {
		t.Errorf("a team with a user is deleted: %v", err)
	}
	key, plain, err := w.accounts.CreateKey(w.ctx, acme, account.Key{User: "ada", Team: "eng", Roles: []account.Role{account.Developer}})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.accounts.DeleteUser(w.ctx, acme, "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.accounts.Resolve(w.ctx, plain); !errors.Is(err, account.ErrBadKey) {
		t.Errorf("a deleted user's key: %v", err)
	}
	if !slices.Contains(w.ended, key.ID) {
		t.Errorf("nobody was told that %s ended", key.ID)
	}
	if err := w.accounts.DeleteTeam(w.ctx, acme, "eng"); err != nil {
		t.Errorf("an empty team: %v", err)
	}
	if err := w.accounts.DeleteTeam(w.ctx, acme, "eng"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a deleted team again: %v", err)
	}
	if err := w.accounts.DeleteUser(w.ctx, acme, "ada"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a deleted user again: %v", err)
	}
	users := must[[]account.User](t)(w.accounts.ListUsers(w.ctx, "acme", firstPage))
	if len(users) != 1 || users[0].ID != "admin" {
		t.Errorf("users %+v", users)
	}
	if _, _, _, err := w.accounts.CreateOrganization(w.ctx, acme, account.Organization{ID: "mine"}); !errors.Is(err, account.ErrDenied) {
		t.Errorf("an admin makes an organisation: %v", err)
	}
}

func keys(t *testing.T, w *world) {
	w.found(t)
	var made []account.Key
	for i := range 5 {
		key, plain, err := w.accounts.CreateKey(w.ctx, acme, account.Key{
			DisplayName: requestName(i), Roles: []account.Role{account.Developer, account.Viewer}, AllowedModels: []string{"gpt-*"},
			AllowedCollections: []string{"collections/handbook"}, RequestsPerMinute: 60, TokensPerMinute: 1000, Expires: w.futureTime(),
			Residency: [...]string{"", "eu"}[i%2], Compliance: [...]string{"regulated", ""}[i%2],
		})
		if err != nil {
			t.Fatal(err)
		}
		found := must[account.Key](t)(w.accounts.Resolve(w.ctx, plain))
		if found.ID != key.ID || found.Organization != "acme" || !slices.Equal(found.Roles, key.Roles) || !found.Expires.Equal(key.Expires) ||
			found.RequestsPerMinute != 60 || found.TokensPerMinute != 1000 || !slices.Equal(found.AllowedModels, key.AllowedModels) ||
			!slices.Equal(found.AllowedCollections, key.AllowedCollections) ||
			found.Residency != key.Residency || found.Compliance != key.Compliance || (found.Residency == "eu") != (i%2 == 1) {
			t.Errorf("resolved %+v, made %+v", found, key)
		}
		if stored := must[account.StoredKey](t)(w.store.FindKeyByID(w.ctx, key.ID)); stored.ID != key.ID || len(stored.Hash) != 64 || stored.Residency != key.Residency {
			t.Errorf("by its id: %+v", stored.Key)
		}
		if !strings.HasPrefix(plain.Reveal(), key.Prefix) || len(key.Prefix) > 12 {
			t.Errorf("prefix %s", key.Prefix)
		}
		made = append(made, key)
	}
	if _, err := w.accounts.Resolve(w.ctx, account.NewSecret()); !errors.Is(err, account.ErrBadKey) {
		t.Errorf("an unknown secret: %v", err)
	}
	if _, err := w.store.FindKeyByID(w.ctx, "key_nobody"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("an unknown id: %v", err)
	}
	if _, err := w.accounts.Resolve(w.ctx, secret.New("tg_nonsense")); !errors.Is(err, account.ErrBadKey) {
		t.Errorf("nonsense: %v", err)
	}
	revoked := must[account.Key](t)(w.accounts.RevokeKey(w.ctx, acme, made[2].ID))
	again := must[account.Key](t)(w.accounts.RevokeKey(w.ctx, acme, made[2].ID))
	if revoked.Revoked.IsZero() || !again.Revoked.Equal(revoked.Revoked) {
		t.Errorf("revoked at %s, then at %s", revoked.Revoked, again.Revoked)
	}
	w.pageThroughKeys(t, made)
	for name, key := range map[string]account.Key{
		"no role":                 {},
		"unknown role":            {Roles: []account.Role{"king"}},
		"inner glob":              {Roles: []account.Role{account.Viewer}, AllowedModels: []string{"*-mini"}},
		"a residency in capitals": {Roles: []account.Role{account.Viewer}, Residency: "EU"},
		"two classes":             {Roles: []account.Role{account.Viewer}, Compliance: "regulated, hipaa"},
		"past expiry":             {Roles: []account.Role{account.Viewer}, Expires: time.Now().Add(-time.Second)},
		"unknown team":            {Roles: []account.Role{account.Viewer}, Team: "ghosts"},
		"operator role":           {Roles: []account.Role{account.Operator}},
	} {
		if _, _, err := w.accounts.CreateKey(w.ctx, acme, key); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func (w *world) futureTime() time.Time {
	return time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond)
}

func (w *world) pageThroughKeys(t *testing.T, made []account.Key) {
	t.Helper()
	var names []string
	page := account.Page{Limit: 2}
	for {
		found := must[[]account.Key](t)(w.accounts.ListKeys(w.ctx, "acme", false, page))
		if len(found) == 0 {
			break
		}
		for _, key := range found {
			names = append(names, key.ID)
		}
		page.After = account.KeyCursor(&found[len(found)-1])
	}
	if len(names) != len(made) { // five made, one revoked, one of the first administrator
		t.Errorf("%d live keys are listed", len(names))
	}
	all := must[[]account.Key](t)(w.accounts.ListKeys(w.ctx, "acme", true, firstPage))
	if len(all) != len(made)+1 {
		t.Errorf("%d keys are listed in all", len(all))
	}
}

// auditLogOf makes teams from all replicas at once and checks the chain.
func auditLogOf(t *testing.T, replicas ...*world) {
	var group sync.WaitGroup
	for i, id := range []string{"a", "b", "c", "d", "e", "f"} {
		w := replicas[i%len(replicas)]
		group.Go(func() {
			if _, err := w.accounts.CreateTeam(w.ctx, acme, account.Team{ID: id}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	events := must[[]account.Event](t)(replicas[0].accounts.ListEvents(t.Context(), "acme", 0, 100))
	slices.Reverse(events)
	if err := account.VerifyChain(events, 0, ""); err != nil {
		t.Error(err)
	}
}

func auditLog(t *testing.T, w *world) {
	w.found(t)
	auditLogOf(t, w)
	w.budget(t, "teams/a", budget.Day, 5)
	_, _ = w.accounts.CreateTeam(w.ctx, acme, account.Team{ID: "a"}) // fails: no event
	newest := must[[]account.Event](t)(w.accounts.ListEvents(w.ctx, "acme", 0, 100))
	if len(newest) != 8 || newest[0].Action != "budgets.create" || newest[7].Action != "organizations.create" || newest[7].Actor != "system" {
		t.Fatalf("events %+v", newest)
	}
	slices.Reverse(newest)
	if err := account.VerifyChain(newest, 0, ""); err != nil {
		t.Error(err)
	}
	older := must[[]account.Event](t)(w.accounts.ListEvents(w.ctx, "acme", 3, 100))
	if len(older) != 2 || older[0].Sequence != 2 {
		t.Errorf("before 3: %+v", older)
	}
}

func organisationsAreApart(t *testing.T, w *world) {
	w.found(t)
	must[account.Team](t)(w.accounts.CreateTeam(w.ctx, acme, account.Team{ID: "eng"}))
	must[account.Team](t)(w.accounts.CreateTeam(w.ctx, other, account.Team{ID: "eng"})) // the same id is another team
	must[account.User](t)(w.accounts.CreateUser(w.ctx, acme, account.User{ID: "ada", Team: "eng"}))
	key, plain, err := w.accounts.CreateKey(w.ctx, acme, account.Key{User: "ada", Roles: []account.Role{account.Admin}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.accounts.RevokeKey(w.ctx, other, key.ID); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("another organisation revokes a key: %v", err)
	}
	if err := w.accounts.DeleteUser(w.ctx, other, "ada"); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("another organisation deletes a user: %v", err)
	}
	if err := w.accounts.DeleteTeam(w.ctx, other, "eng"); err != nil {
		t.Errorf("its own team of the same id: %v", err)
	}
	if _, _, err := w.accounts.CreateKey(w.ctx, other, account.Key{User: "ada", Roles: []account.Role{account.Viewer}}); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("a key for another organisation's user: %v", err)
	}
	if found := must[account.Key](t)(w.accounts.Resolve(w.ctx, plain)); found.Organization != "acme" {
		t.Errorf("the key is of %s", found.Organization)
	}
	for _, event := range must[[]account.Event](t)(w.accounts.ListEvents(w.ctx, "other", 0, 100)) {
		if event.Actor == acme.Name {
			t.Errorf("another organisation's log holds %+v", event)
		}
	}
	if found := must[[]account.Key](t)(w.accounts.ListKeys(w.ctx, "other", true, firstPage)); len(found) != 1 {
		t.Errorf("another organisation lists %d keys", len(found))
	}
	if found := must[[]account.Team](t)(w.accounts.ListTeams(w.ctx, "other", firstPage)); len(found) != 0 {
		t.Errorf("another organisation lists teams %+v", found)
	}
}

func bootstrap(t *testing.T, w *world) {
	plain, created, err := w.accounts.Bootstrap(w.ctx)
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	key := must[account.Key](t)(w.accounts.Resolve(w.ctx, plain))
	if key.Organization != account.DefaultOrganization || !key.HasRole(account.Operator) || !key.HasRole(account.Admin) || key.User != "admin" {
		t.Errorf("first key %+v", key)
	}
	if again, created, err := w.accounts.Bootstrap(w.ctx); err != nil || created || !again.IsZero() {
		t.Errorf("a second time: created %v, %v", created, err)
	}
	list := must[[]account.Organization](t)(w.accounts.ListOrganizations(w.ctx, account.System, firstPage))
	if len(list) != 1 || list[0].ID != "default" {
		t.Errorf("organisations %+v", list)
	}
}

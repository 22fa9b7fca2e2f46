package target

import (
	"reflect"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// watch gives the target its monitors: those that it had, judged by what the
// configuration says now, or new ones.
func (t *Target) watch(was *Target, observers []func(health.Event)) {
	if was == nil {
		t.Monitors = health.NewGroup(health.For(t.Name), health.WithConfig(t.Health))
		for _, f := range observers {
			t.Monitors.Observe(f)
		}
		return
	}
	t.Monitors = was.Monitors
	t.Monitors.Configure(t.Health)
	if !sameButHealth(was.Target, t.Target) {
		t.Monitors.Reconsider(time.Now()) // a new address or credential may be what it needs
	}
}

// check goes on with the checks of before, or begins new ones.
func (t *Target) check(was *Target) {
	if was != nil && was.checks != nil && was.Adapter == t.Adapter &&
		was.checks.config == t.Health.WithDefaults().Check {
		t.checks = was.checks
		return
	}
	t.checks = newChecks(t)
}

// sameButHealth says whether two configurations differ in nothing that the
// adapter looks at.
func sameButHealth(a, b provider.Target) bool {
	a.Health, b.Health = health.Config{}, health.Config{}
	return reflect.DeepEqual(a, b)
}

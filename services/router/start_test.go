package router

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/valkey"
)

// tethered is a provider that counts how many of its adapters are open, and can
// be asked whether it works.
type tethered struct {
	echo
	open *atomic.Int32
}

func (a *tethered) Close() error { a.open.Add(-1); return nil }

func (a *tethered) Probe(context.Context, string) error { return nil }

// Whatever fails at the start, what was built before it does not run on.
func TestAFailedStartLeavesNothingRunning(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config, *Dependencies){
		"a target": func(c *Config, _ *Dependencies) {
			c.Targets = append(c.Targets, Target{Name: "last", Provider: "broken"})
		},
		"no provider": func(c *Config, _ *Dependencies) {
			c.Targets = append(c.Targets, Target{Name: "last", Provider: "nobody"})
		},
		"the catalogue": func(c *Config, _ *Dependencies) { c.Models = []catalog.Entry{{Name: "m", Lacks: []string{"nothing"}}} },
		"a route": func(c *Config, _ *Dependencies) {
			c.Routes = []Route{{Model: "m", Targets: []route.Ref{{Name: "nobody"}}}}
		},
		"the cache": func(c *Config, _ *Dependencies) { c.Valkey, c.Cache.Store = valkey.Config{}, inValkey },
		"the spool": func(_ *Config, d *Dependencies) { d.DataDir = file },
	} {
		t.Run(name, func(t *testing.T) {
			leaks := goleak.IgnoreCurrent()
			var open atomic.Int32
			cfg := DefaultConfig()
			cfg.Valkey = valkey.Config{Addr: "127.0.0.1:1"}
			cfg.Targets = []Target{{
				Name: "first", Provider: "tethered", Models: provider.NewModels("*"),
				Health: health.Config{Check: health.Check{Interval: config.Duration(100 * time.Millisecond)}},
			}}
			cfg.Routes = []Route{{Model: "*", Targets: []route.Ref{{Name: "first"}}}}
			made := 0
			deps := Dependencies{Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir(), Adapters: map[string]provider.Factory{
				"tethered": func(target Target) (provider.Adapter, error) {
					made++
					open.Add(1)
					return &tethered{echo{target}, &open}, nil
				},
				"broken": func(Target) (provider.Adapter, error) { return nil, errors.New("broken") },
			}}
			spoil(&cfg, &deps)
			s, err := New(context.Background(), cfg, deps)
			if err == nil {
				_ = s.Close(context.Background())
				t.Fatal("it starts")
			}
			t.Log(err)
			if n := open.Load(); n != 0 {
				t.Errorf("%d of %d adapters are open", n, made)
			}
			goleak.VerifyNone(t, leaks)
		})
	}
}

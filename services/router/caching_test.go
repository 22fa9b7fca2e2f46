package router

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

func TestCachingIsValidated(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                       "",
		"{store: disk}":            "cache.store",
		"{store: valkey}":          "valkey.addr",
		"{max_entries: 0}":         "cache.max_entries",
		"{max_bytes: 1KiB}":        "cache.max_bytes",
		"{tenant_percent: 101}":    "cache.tenant_percent",
		"{tenant_percent: 100}":    "",
		"{store: memory, size: 1}": "size",
	} {
		file := struct {
			Cache Caching `yaml:"cache"`
		}{defaultCaching}
		err := config.Parse([]byte("cache: "+text), nil, &file)
		if err == nil {
			c := DefaultConfig()
			c.Cache = file.Cache
			v := config.NewValidator()
			c.Validate(v)
			err = v.Err()
		}
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestCacheOfARouteIsValidated(t *testing.T) {
	for text, want := range map[string]string{
		"{ttl: 10m}": "",
		"{ttl: 1h, mode: caller, scope: key, replay: paced, any_temperature: false, tools: true, truncated: true, single_flight: false, wait: 0s, ignore: [labels, end_user]}": "",
		"{mode: on}":                 "cache.ttl",
		"{ttl: 10m, mode: off}":      "cache.mode",
		"{ttl: 10m, scope: world}":   "cache.scope",
		"{ttl: 10m, replay: slow}":   "cache.replay",
		"{ttl: 10m, wait: 0s}":       "cache.wait",
		"{ttl: 10m, max_bytes: 1GB}": "cache.max_bytes",
		"{ttl: 10m, ignore: [all]}":  "cache.ignore",
		"{ttl: 9000h}":               "cache.ttl",
	} {
		var file struct {
			Routes []Route `yaml:"routes"`
		}
		err := config.Parse([]byte(`routes: [{model: m, targets: [builtin], cache: `+text+`}]`), nil, &file)
		if err == nil {
			c := DefaultConfig()
			c.Routes = file.Routes
			v := config.NewValidator()
			c.ValidateTargets(v)
			err = v.Err()
		}
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

package dialect

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

func TestCacheControl(t *testing.T) {
	const none, on, off, refresh, noStore = routerv1.CacheControl_MODE_UNSPECIFIED, routerv1.CacheControl_MODE_ON, routerv1.CacheControl_MODE_OFF, routerv1.CacheControl_MODE_REFRESH, routerv1.CacheControl_MODE_NO_STORE
	for _, tc := range []struct {
		own, http string
		mode      routerv1.CacheControl_Mode
		ttl       time.Duration
		wrong     bool
	}{
		{},
		{own: "on", mode: on},
		{own: "ON , ttl=90s", mode: on, ttl: 90 * time.Second},
		{own: "ttl=2m", ttl: 2 * time.Minute},
		{own: "ttl=2m,refresh", mode: refresh, ttl: 2 * time.Minute},
		{own: "off", http: "no-store", mode: off},
		{own: "no-store", mode: noStore},
		{own: "on", http: "no-store", mode: on}, // our own wins
		{http: "no-store", mode: noStore},
		{http: "max-age=0, No-Cache", mode: refresh},
		{http: "no-cache, no-store", mode: off},
		{http: "max-age=60", mode: none},
		{own: "maybe", wrong: true},
		{own: "on, off", wrong: true},
		{own: "ttl=soon", wrong: true},
		{own: "ttl=-1s", wrong: true},
		{own: "on,", wrong: true},
	} {
		h := http.Header{}
		if tc.own != "" {
			h.Set("X-Tollgate-Cache", tc.own)
		}
		if tc.http != "" {
			h.Set("Cache-Control", tc.http)
		}
		got, err := options(h)
		if (err != nil) != tc.wrong || got.GetCache().GetMode() != tc.mode || got.GetCache().GetTtl().AsDuration() != tc.ttl {
			t.Errorf("%+v: got %v, %v", tc, got.GetCache(), err)
		}
	}
}

func TestReportOfAHit(t *testing.T) {
	for state, want := range map[string]string{"": "none", "hit": "hit", "shared": "shared", "miss": "miss", "bypass": "bypass"} {
		w := httptest.NewRecorder()
		report := &routerv1.RequestReport{RequestId: "r", Cache: state}
		if state == "miss" {
			report.Target = "east"
		}
		SetReport(w.Header(), report)
		if got := w.Header().Get("X-Tollgate-Cache"); got != want {
			t.Errorf("%q is shown as %q", state, got)
		}
		if _, ok := w.Header()["X-Tollgate-Target"]; ok != (state == "miss") {
			t.Errorf("%q names a target: %v", state, ok)
		}
	}
}

func FuzzCacheControl(f *testing.F) {
	f.Add("on, ttl=60s", "no-cache")
	f.Fuzz(func(t *testing.T, own, http string) {
		got, err := cacheControl(map[string][]string{"X-Tollgate-Cache": {own}, "Cache-Control": {http}})
		if err == nil && got.GetTtl() != nil && got.GetTtl().AsDuration() <= 0 {
			t.Errorf("%q gives %v", own, got)
		}
	})
}

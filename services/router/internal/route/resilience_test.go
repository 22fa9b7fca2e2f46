package route

import (
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

type resilience struct {
	Hedge      Hedge     `yaml:"hedge"`
	Recovery   Recovery  `yaml:"recovery"`
	FailoverOn Failovers `yaml:"failover_on"`
}

func readResilience(t *testing.T, text string) (resilience, error) {
	t.Helper()
	var r resilience
	if err := config.Parse([]byte(text), func(string) (string, bool) { return "", false }, &r); err != nil {
		return r, err
	}
	v := config.NewValidator()
	r.Hedge.validate(v.At("hedge"))
	r.Recovery.validate(v.At("recovery"))
	r.FailoverOn.validate(v.At("failover_on"))
	return r, v.Err()
}

func TestHedgeWaits(t *testing.T) {
	for text, want := range map[string][2]time.Duration{ // with a percentile of 400ms, and without
		"hedge: {after: p95}":                            {400 * time.Millisecond, time.Second},
		"hedge: {after: p95, fallback: 3s}":              {400 * time.Millisecond, 3 * time.Second},
		"hedge: {after: p95, min: 500ms, fallback: 1ms}": {500 * time.Millisecond, 500 * time.Millisecond},
		"hedge: {after: 800ms, max: 2}":                  {800 * time.Millisecond, 800 * time.Millisecond},
		"hedge: {after: 1ms}":                            {50 * time.Millisecond, 50 * time.Millisecond},
	} {
		r, err := readResilience(t, text)
		if err != nil || !r.Hedge.On() || r.Hedge.Most() < 1 {
			t.Errorf("%s: %v, %+v", text, err, r.Hedge)
		}
		if got := [2]time.Duration{r.Hedge.Wait(400 * time.Millisecond), r.Hedge.Wait(0)}; got != want {
			t.Errorf("%s: waits %v, want %v", text, got, want)
		}
	}
	if off := (Hedge{}); off.On() || off.Most() != 0 {
		t.Error("nothing hedges")
	}
}

func TestRecoveryModes(t *testing.T) {
	for text, want := range map[string]Recovery{
		"{}":                       {Max: 2, MaxBytes: 1 << 20},
		"recovery: {mode: off}":    {Mode: recoverOff},
		"recovery: {mode: replay}": {Mode: recoverReplay, Max: 2, MaxBytes: 1 << 20},
		"recovery: {mode: prefill, max: 5, max_bytes: 4KiB}": {Mode: recoverPrefill, Max: 5, MaxBytes: 4096},
	} {
		r, err := readResilience(t, text)
		if err != nil || r.Recovery.Most() != want.Max {
			t.Errorf("%s: %v, at most %d, want %d", text, err, r.Recovery.Most(), want.Max)
		}
		if want.Max > 0 && r.Recovery.Bytes() != int(want.MaxBytes) {
			t.Errorf("%s: keeps %d", text, r.Recovery.Bytes())
		}
		if r.Recovery.Replays() != (want.Mode == "" || want.Mode == recoverReplay) || r.Recovery.Prefills() != (want.Mode == "" || want.Mode == recoverPrefill) {
			t.Errorf("%s: %+v", text, r.Recovery)
		}
	}
}

func TestFaultsOfResilience(t *testing.T) {
	for text, want := range map[string]string{
		"hedge: {min: 1s}":                 "hedge.after",
		"hedge: {after: soon}":             "hedge.after",
		"hedge: {after: 1s, max: 9}":       "hedge.max",
		"recovery: {mode: pray}":           "recovery.mode",
		"recovery: {max: -1}":              "recovery.max",
		"recovery: {max_bytes: 1GiB}":      "recovery.max_bytes",
		"failover_on: [content_filter, x]": "failover_on[1]",
	} {
		if _, err := readResilience(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

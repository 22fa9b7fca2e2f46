package route

import (
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Hedge says when another target is asked beside one that lets us wait. The
// first that has content answers, the others are cancelled.
type Hedge struct {
	// After is how long the first is waited for; never if it is not given.
	After Patience `yaml:"after"`
	// Fallback is waited for as long as the 95th percentile is not known; 1s.
	Fallback config.Duration `yaml:"fallback"`
	// Min is the least that is waited for, however fast the target is; 50ms.
	Min config.Duration `yaml:"min"`
	// Max is how many more targets a request may ask this way; 1.
	Max int `yaml:"max"`
}

// Patience is a time, or that within which a model mostly answers.
type Patience struct {
	// P95 is set if the time is the 95th percentile of the target's model.
	P95 bool
	// Time is the time otherwise.
	Time config.Duration
}

const p95 = "p95"

// UnmarshalConfig reads "p95", or a duration.
func (p *Patience) UnmarshalConfig(n *config.Node) {
	*p = Patience{}
	if n.IsScalar() && n.Text() == p95 {
		p.P95 = true
		return
	}
	n.Decode(&p.Time)
}

// Defaults of hedging.
const (
	defaultFallback = time.Second
	defaultMin      = 50 * time.Millisecond
	maxHedges       = 3
)

// On says whether requests are hedged.
func (h Hedge) On() bool { return h.After.P95 || h.After.Time > 0 }

// Most is how many more targets a request may ask.
func (h Hedge) Most() int {
	if !h.On() {
		return 0
	}
	return max(h.Max, 1)
}

// Wait is how long a target is waited for whose 95th percentile is known, or 0.
func (h Hedge) Wait(percentile time.Duration) time.Duration {
	wait := h.After.Time.Std()
	if h.After.P95 {
		if wait = percentile; wait == 0 {
			wait = orElse(h.Fallback.Std(), defaultFallback)
		}
	}
	return max(wait, orElse(h.Min.Std(), defaultMin))
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

func (h Hedge) validate(v *config.Validator) {
	if !h.On() && h != (Hedge{}) {
		v.Fail("after", "is required: p95, or a time such as 800ms")
	}
	if h.Max < 0 || h.Max > maxHedges {
		v.Fail("max", "must be from 1 to %d", maxHedges)
	}
}

// Recovery says what follows when a stream breaks off after the client has got
// some of it.
type Recovery struct {
	// Mode is how: empty for replay, and prefill where the texts part.
	Mode string `yaml:"mode"`
	// Max is how often a stream may be recovered; 2.
	Max int `yaml:"max"`
	// MaxBytes is how much of an answer is kept for it; a longer one is not
	// recovered; 1MiB.
	MaxBytes config.Bytes `yaml:"max_bytes"`
}

// Modes of recovery.
const (
	recoverOff     = "off"
	recoverReplay  = "replay"
	recoverPrefill = "prefill"
)

const (
	defaultRecoveries    = 2
	maxRecoveries        = 10
	defaultRecoveryBytes = 1 << 20
	maxRecoveryBytes     = 64 << 20
)

// Replays says whether the request is put again to a target, and what the
// client has already is left out of its answer.
func (r Recovery) Replays() bool { return r.Mode == "" || r.Mode == recoverReplay }

// Prefills says whether a target is given what the client has as the beginning
// of its answer.
func (r Recovery) Prefills() bool { return r.Mode == "" || r.Mode == recoverPrefill }

// Most is how often a stream may be recovered.
func (r Recovery) Most() int {
	switch {
	case !r.Replays() && !r.Prefills():
		return 0
	case r.Max == 0:
		return defaultRecoveries
	}
	return r.Max
}

// Bytes is how much of an answer is kept.
func (r Recovery) Bytes() int {
	if r.MaxBytes == 0 {
		return defaultRecoveryBytes
	}
	return int(r.MaxBytes)
}

func (r Recovery) validate(v *config.Validator) {
	modes := []string{"", recoverOff, recoverReplay, recoverPrefill}
	if !slices.Contains(modes, r.Mode) {
		v.Fail("mode", "%q is not a way to recover", r.Mode).WithHelp("use %s, or nothing for replay and then prefill", strings.Join(modes[1:], ", "))
	}
	if r.Max < 0 || r.Max > maxRecoveries {
		v.Fail("max", "must be from 1 to %d; mode: off switches recovery off", maxRecoveries)
	}
	if r.MaxBytes < 0 || r.MaxBytes > maxRecoveryBytes {
		v.Fail("max_bytes", "must be at most 64MiB")
	}
}

// Failovers lists what leads to the next target that else would be returned.
type Failovers []string

// FailoverContentFilter is the verdict of a provider's own filter.
const FailoverContentFilter = "content_filter"

// Has says whether a class is listed.
func (f Failovers) Has(class string) bool { return slices.Contains(f, class) }

func (f Failovers) validate(v *config.Validator) {
	for i, class := range f {
		if class != FailoverContentFilter {
			v.Index(i).Fail("", "%q is not a class of errors that may lead to another target", class).
				WithHelp("use %s", FailoverContentFilter)
		}
	}
}

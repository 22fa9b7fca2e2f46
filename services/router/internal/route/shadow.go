package route

import (
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Shadow sends a share of the requests to another target as well, once they are
// answered. Nobody sees what it says: it keeps a standby warm and its health known.
type Shadow struct {
	// Target is who is asked, and Model what it is asked for; empty means the name
	// that the client used.
	Target string `yaml:"target"`
	Model  string `yaml:"model"`
	// Percent is the share of the requests.
	Percent float64 `yaml:"percent"`
	// Organization is the operator's own, which pays.
	Organization string `yaml:"organization"`
	// Timeout bounds a request, and Concurrency how many run at once; a request
	// for which there is no place is not sent.
	Timeout     config.Duration `yaml:"timeout"`
	Concurrency int             `yaml:"concurrency"`
}

// SetDefaults implements config.Defaulter.
func (s *Shadow) SetDefaults() {
	*s = Shadow{Percent: 5, Timeout: config.Duration(time.Minute), Concurrency: 8}
}

const maxShadows = 1024

func (s *Shadow) validate(v *config.Validator, r *Route, targets []provider.Target) {
	if s == nil {
		return
	}
	if s.Target == "" {
		v.Fail("target", "is required: the target that is asked as well")
	} else {
		r.validateRef(v.At("target"), Ref{Name: s.Target, Model: s.Model}, targets)
	}
	if s.Percent < 0 || s.Percent > 100 {
		v.Fail("percent", "must be from 0 to 100")
	}
	if strings.TrimSpace(s.Organization) == "" {
		v.Fail("organization", "is required: who pays for what nobody asked for")
	}
	if s.Timeout <= 0 {
		v.Fail("timeout", "must be more than 0")
	}
	if s.Concurrency < 1 || s.Concurrency > maxShadows {
		v.Fail("concurrency", "must be from 1 to %d", maxShadows)
	}
}

// newShadow makes the entry by whose rules a route's shadow is asked: those of
// the route, with its target alone. What it cannot be told is left out.
func newShadow(r Route, w Surroundings) (*Entry, error) {
	if r.Shadow == nil {
		return nil, nil
	}
	r.Targets = []Ref{{Name: r.Shadow.Target, Model: r.Shadow.Model, Weight: 1}}
	r.Strategy, r.DropUnsupported = priority, true
	r.Shadow, r.Canary, r.Cache, r.Tasks, r.Score = nil, nil, nil, nil, nil
	r.Sticky, r.Hedge, r.Recovery, r.WhenUnhealthy = Sticky{}, Hedge{}, Recovery{}, ""
	return newEntry(r, w)
}

// ShadowEntry is how the route's shadow is asked; nil if it has none.
func (e *Entry) ShadowEntry() *Entry { return e.shadow }

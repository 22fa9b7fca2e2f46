// Package preempt watches for the notice with which a cloud takes back a
// machine that it has lent out cheaply, as its metadata service gives it.
package preempt

import (
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Config is the section `preemption`. Its zero value watches nothing.
type Config struct {
	// Provider is whose machine this is: aws, gcp or azure; none, or empty,
	// watches nothing.
	Provider string `yaml:"provider"`
	// URL is where the metadata service is; empty means the provider's own address.
	URL string `yaml:"url"`
	// Interval is how often it is asked; 0s means every five seconds. Google's
	// answers when something changes, and is asked again after so long if it fails.
	Interval config.Duration `yaml:"interval"`
}

const (
	defaultInterval = 5 * time.Second
	minInterval     = 100 * time.Millisecond
	maxInterval     = time.Minute
)

// provider is how a cloud says it.
type provider struct {
	url string
	// ask asks once; nil and no error mean that there is no notice.
	ask func(*watcher) asker
}

var providers = map[string]provider{
	"aws":   {"http://169.254.169.254", func(w *watcher) asker { return &aws{watcher: w} }},
	"gcp":   {"http://metadata.google.internal", func(w *watcher) asker { return &gcp{watcher: w} }},
	"azure": {"http://169.254.169.254", func(w *watcher) asker { return azure{w} }},
}

// Enabled says whether there is anything to watch.
func (c Config) Enabled() bool { return c.Provider != "" && c.Provider != "none" }

// Validate implements config.Section.
func (c Config) Validate(v *config.Validator) {
	if _, ok := providers[c.Provider]; !ok && c.Enabled() {
		v.Fail("provider", "%q is not a provider", c.Provider).
			WithHelp("use none, %s", strings.Join(slices.Sorted(maps.Keys(providers)), ", "))
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			v.Fail("url", "must be an address with http or https")
		}
	}
	if d := c.Interval.Std(); d != 0 && (d < minInterval || d > maxInterval) {
		v.Fail("interval", "must be from %s to %s", minInterval, maxInterval)
	}
}

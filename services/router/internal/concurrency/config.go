package concurrency

import (
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Config says how many requests run at once. Its zero value sets no bound.
type Config struct {
	// Max is the most that run at once; 0 means any number.
	Max int `yaml:"max"`
	// Adaptive lets the bound move between Min and Max with what is seen: down
	// when answers begin late or the other side says that it is overloaded.
	Adaptive bool `yaml:"adaptive"`
	// Min is the least that an adaptive bound goes down to; 0 means 1.
	Min int `yaml:"min"`
	// Queue is how many more may wait for a place; 0 lets none wait.
	Queue int `yaml:"queue"`
	// Wait is the longest that one waits; 0s means 1s.
	Wait config.Duration `yaml:"wait"`
}

const (
	defaultWait = time.Second
	most        = 1_000_000
)

func (c Config) wait() time.Duration {
	if c.Wait == 0 {
		return defaultWait
	}
	return c.Wait.Std()
}

// Validate reports every fault of the section, at whose place v stands.
func (c Config) Validate(v *config.Validator) {
	if c.Max < 0 || c.Max > most {
		v.Fail("max", "must be from 0 to %d", most)
	}
	if c.Min < 0 || c.Min > c.Max {
		v.Fail("min", "must be from 0 to max")
	}
	if c.Queue < 0 || c.Queue > most {
		v.Fail("queue", "must be from 0 to %d", most)
	}
	if c.Wait < 0 {
		v.Fail("wait", "must not be negative")
	}
	if c.Max == 0 && (c.Adaptive || c.Queue > 0) {
		v.Fail("max", "is required with adaptive or queue: the most that run at once")
	}
}

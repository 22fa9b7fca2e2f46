package config

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time written as in Go: 300ms, 3s, 1h30m. A bare
// number other than 0 is refused, because its unit would be a guess.
type Duration time.Duration

var errDuration = errors.New("is not a duration: write 300ms, 3s, 2m or 1h30m")

// Std returns the standard library's form.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String implements fmt.Stringer.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil || parsed < 0 {
		return errDuration
	}
	*d = Duration(parsed)
	return nil
}

// Bytes is a size: 512, 64KiB, 10MiB, 1GiB (powers of 1024) or kB, MB, GB
// (powers of 1000).
type Bytes int64

var errBytes = errors.New("is not a size: write 512, 64KiB, 10MiB or 1GiB")

var byteUnits = []struct {
	suffix string
	size   float64
}{
	{"KiB", 1 << 10},
	{"MiB", 1 << 20},
	{"GiB", 1 << 30},
	{"TiB", 1 << 40},
	{"kB", 1e3},
	{"KB", 1e3},
	{"MB", 1e6},
	{"GB", 1e9},
	{"TB", 1e12},
	{"B", 1},
}

// Int64 returns the number of bytes.
func (b Bytes) Int64() int64 { return int64(b) }

// String writes the size in the largest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range []struct {
		suffix string
		size   Bytes
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if b != 0 && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.suffix)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText implements encoding.TextMarshaler.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *Bytes) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		*b = Bytes(n)
		return nil
	}
	for _, u := range byteUnits {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(n >= 0) || n*u.size >= math.MaxInt64 {
			return errBytes
		}
		*b = Bytes(n * u.size)
		return nil
	}
	return errBytes
}

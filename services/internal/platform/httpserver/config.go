package httpserver

import (
	"net"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/listen"
)

// Config is the section of the HTTP edge.
type Config struct {
	// Addr is host:port.
	Addr string `yaml:"addr"`
	// InsecureListen lets plain text be served beyond loopback.
	InsecureListen bool `yaml:"insecure_listen"`
	// TLS turns on TLS, or mutual TLS with client_ca_file.
	TLS listen.TLS `yaml:"tls"`
	// ReadHeaderTimeout bounds how long a client may take over its headers.
	ReadHeaderTimeout config.Duration `yaml:"read_header_timeout"`
	// ReadBodyTimeout bounds how long ReadBody waits for a body.
	ReadBodyTimeout config.Duration `yaml:"read_body_timeout"`
	// IdleTimeout closes connections on which nothing is asked.
	IdleTimeout config.Duration `yaml:"idle_timeout"`
	// MaxHeader bounds the headers, MaxBody the body of a request.
	MaxHeader config.Bytes `yaml:"max_header"`
	MaxBody   config.Bytes `yaml:"max_body"`
	// DrainDelay is how long /readyz says no at shutdown before new requests
	// are refused, so that load balancers notice.
	DrainDelay config.Duration `yaml:"drain_delay"`
	// DrainTimeout is how long requests under way may then take to end.
	DrainTimeout config.Duration `yaml:"drain_timeout"`
}

// DefaultConfig listens on addr.
func DefaultConfig(addr string) Config {
	return Config{
		Addr:              addr,
		ReadHeaderTimeout: config.Duration(10 * time.Second),
		ReadBodyTimeout:   config.Duration(60 * time.Second),
		IdleTimeout:       config.Duration(120 * time.Second),
		MaxHeader:         64 << 10,
		MaxBody:           50 << 20,
		DrainTimeout:      config.Duration(20 * time.Second),
	}
}

// Validate implements config.Section.
func (c Config) Validate(v *config.Validator) {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		v.Fail("addr", "must be host:port")
	}
	for name, d := range map[string]config.Duration{
		"read_header_timeout": c.ReadHeaderTimeout,
		"read_body_timeout":   c.ReadBodyTimeout,
		"idle_timeout":        c.IdleTimeout,
		"drain_timeout":       c.DrainTimeout,
	} {
		if d <= 0 {
			v.Fail(name, "must be positive")
		}
	}
	if c.DrainDelay < 0 {
		v.Fail("drain_delay", "must not be negative")
	}
	if c.MaxHeader < 4<<10 || c.MaxHeader > 1<<20 {
		v.Fail("max_header", "must be from 4KiB to 1MiB")
	}
	if c.MaxBody <= 0 || c.MaxBody > 1<<30 {
		v.Fail("max_body", "must be from 1 to 1GiB")
	}
	v.Check("tls", c.TLS)
}

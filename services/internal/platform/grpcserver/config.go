package grpcserver

import (
	"net"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/listen"
)

// Config is the section of one gRPC server.
type Config struct {
	// Addr is host:port.
	Addr string `yaml:"addr"`
	// InsecureListen lets plain text be served beyond loopback.
	InsecureListen bool `yaml:"insecure_listen"`
	// TLS turns on TLS, or mutual TLS with client_ca_file.
	TLS listen.TLS `yaml:"tls"`
	// MaxRecvMessage and MaxSendMessage bound one message.
	MaxRecvMessage config.Bytes `yaml:"max_recv_message"`
	MaxSendMessage config.Bytes `yaml:"max_send_message"`
	// MaxStreams bounds the calls under way on one connection.
	MaxStreams uint32 `yaml:"max_streams"`
	// DrainDelay is how long health says NOT_SERVING at shutdown before new calls
	// are refused, so that load balancers notice.
	DrainDelay config.Duration `yaml:"drain_delay"`
	// DrainTimeout is how long calls under way may then take to end.
	DrainTimeout config.Duration `yaml:"drain_timeout"`
}

// DefaultConfig listens on addr with limits that fit documents and long
// conversations.
func DefaultConfig(addr string) Config {
	return Config{
		Addr:           addr,
		MaxRecvMessage: 64 << 20,
		MaxSendMessage: 64 << 20,
		MaxStreams:     1000,
		DrainTimeout:   config.Duration(20 * time.Second),
	}
}

// Validate implements config.Section.
func (c Config) Validate(v *config.Validator) {
	if _, _, err := net.SplitHostPort(c.Addr); err != nil {
		v.Fail("addr", "must be host:port")
	}
	for name, size := range map[string]config.Bytes{"max_recv_message": c.MaxRecvMessage, "max_send_message": c.MaxSendMessage} {
		if size <= 0 || size > 1<<30 {
			v.Fail(name, "must be from 1 to 1GiB")
		}
	}
	if c.MaxStreams == 0 {
		v.Fail("max_streams", "must be at least 1")
	}
	if c.DrainDelay < 0 {
		v.Fail("drain_delay", "must not be negative")
	}
	if c.DrainTimeout <= 0 {
		v.Fail("drain_timeout", "must be positive")
	}
	v.Check("tls", c.TLS)
}

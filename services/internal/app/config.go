// Package app puts the services together: all in one process, or one of them.
package app

import (
	"fmt"
	"net"
	"os"

	"github.com/tollgate/tollgate/services/billing"
	"github.com/tollgate/tollgate/services/guardrail"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
	"github.com/tollgate/tollgate/services/internal/platform/httpserver"
	"github.com/tollgate/tollgate/services/internal/platform/preempt"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/rag"
	"github.com/tollgate/tollgate/services/router"
)

// Config is the whole configuration file.
type Config struct {
	// DataDir holds everything that must survive a restart.
	DataDir string `yaml:"data_dir"`
	// HTTP is the edge: client dialects, REST, health.
	HTTP httpserver.Config `yaml:"http"`
	// GRPC are the servers of the four services.
	GRPC GRPC `yaml:"grpc"`
	// Peers are where the services are that do not run in this process.
	Peers Peers `yaml:"peers"`
	// InternalToken is what the services show each other. By default it is made
	// at the first start and kept in <data>/internal.token.
	InternalToken secret.String `yaml:"internal_token"`
	// Auth tunes the cache of keys.
	Auth Auth `yaml:"auth"`
	// Preemption says whose notice to watch for that the machine is taken away.
	Preemption preempt.Config `yaml:"preemption"`
	// Telemetry says where traces, metrics and the log go.
	Telemetry telemetry.Config `yaml:"telemetry"`
	// Targets are the provider deployments; without any there is the built-in answerer.
	Targets []router.Target `yaml:"targets"`
	// Routes say which targets answer for which model; without any, all targets
	// answer for what they serve.
	Routes []router.Route `yaml:"routes"`
	// Router, Guardrail, RAG and Billing are the services' own sections.
	Router    router.Config    `yaml:"router"`
	Guardrail guardrail.Config `yaml:"guardrail"`
	RAG       rag.Config       `yaml:"rag"`
	Billing   billing.Config   `yaml:"billing"`
}

// GRPC are the gRPC servers.
type GRPC struct {
	Router    grpcserver.Config `yaml:"router"`
	Guardrail grpcserver.Config `yaml:"guardrail"`
	RAG       grpcserver.Config `yaml:"rag"`
	Billing   grpcserver.Config `yaml:"billing"`
}

// Peers are the addresses of the services, for those that run elsewhere.
type Peers struct {
	Guardrail Peer `yaml:"guardrail"`
	RAG       Peer `yaml:"rag"`
	Billing   Peer `yaml:"billing"`
}

// Peer is a service in another process.
type Peer struct {
	// Addr is host:port.
	Addr string `yaml:"addr"`
	// CAFile turns on TLS: the authorities whose certificate the peer must show.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are what this process shows, for mutual TLS.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Auth tunes the cache of keys; zero takes the default.
type Auth struct {
	// TTL is how long a key is known before billing is asked again; 5s.
	TTL config.Duration `yaml:"ttl"`
	// StaleFor is how long a known key works while billing is away; 5m.
	StaleFor config.Duration `yaml:"stale_for"`
}

// DefaultConfig runs on embedded parts alone.
func DefaultConfig() Config {
	return Config{
		DataDir: "./tollgate-data",
		HTTP:    httpserver.DefaultConfig("127.0.0.1:8080"),
		GRPC: GRPC{
			Router:    grpcserver.DefaultConfig("127.0.0.1:9090"),
			Guardrail: grpcserver.DefaultConfig("127.0.0.1:9091"),
			RAG:       grpcserver.DefaultConfig("127.0.0.1:9092"),
			Billing:   grpcserver.DefaultConfig("127.0.0.1:9093"),
		},
		Peers: Peers{
			Guardrail: Peer{Addr: "127.0.0.1:9091"},
			RAG:       Peer{Addr: "127.0.0.1:9092"},
			Billing:   Peer{Addr: "127.0.0.1:9093"},
		},
		Telemetry: telemetry.DefaultConfig(),
		Router:    router.DefaultConfig(),
		Guardrail: guardrail.DefaultConfig(),
		RAG:       rag.DefaultConfig(),
		Billing:   billing.DefaultConfig(),
	}
}

// LoadConfig reads a file over the defaults; an empty path takes the defaults.
// The environment wins over both for what differs between machines.
func LoadConfig(path string) (Config, error) {
	c := DefaultConfig()
	if err := config.Load(path, os.LookupEnv, &c); err != nil {
		return Config{}, err
	}
	if dir := os.Getenv("TOLLGATE_DATA_DIR"); dir != "" {
		c.DataDir = dir
	}
	if addr := os.Getenv("TOLLGATE_HTTP_ADDR"); addr != "" {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return Config{}, fmt.Errorf("read TOLLGATE_HTTP_ADDR: want host:port")
		}
		c.HTTP.Addr = addr
	}
	if token := os.Getenv("TOLLGATE_INTERNAL_TOKEN"); token != "" {
		c.InternalToken = secret.New(token)
	}
	return c, nil
}

// Validate implements config.Section.
func (c Config) Validate(v *config.Validator) {
	if c.DataDir == "" {
		v.Fail("data_dir", "is required")
	}
	if n := len(c.InternalToken.Reveal()); n > 0 && n < 32 {
		v.Fail("internal_token", "must have at least 32 characters")
	}
	for name, section := range map[string]config.Section{
		"http": c.HTTP, "telemetry": c.Telemetry, "preemption": c.Preemption,
		"grpc.router": c.GRPC.Router, "grpc.guardrail": c.GRPC.Guardrail,
		"grpc.rag": c.GRPC.RAG, "grpc.billing": c.GRPC.Billing,
		"peers.guardrail": c.Peers.Guardrail, "peers.rag": c.Peers.RAG, "peers.billing": c.Peers.Billing,
		"router": c.Router, "guardrail": c.Guardrail, "rag": c.RAG, "billing": c.Billing,
	} {
		v.Check(name, section)
	}
	c.RouterConfig().ValidateTargets(v)
}

// RouterConfig is the router's section with the targets and routes, which
// stand at the top of the file.
func (c Config) RouterConfig() router.Config {
	c.Router.Targets, c.Router.Routes = c.Targets, c.Routes
	return c.Router
}

// Validate implements config.Section.
func (p Peer) Validate(v *config.Validator) {
	if _, _, err := net.SplitHostPort(p.Addr); err != nil {
		v.Fail("addr", "must be host:port")
	}
	if (p.CertFile == "") != (p.KeyFile == "") {
		v.Fail("", "cert_file and key_file go together")
	}
	if p.CertFile != "" && p.CAFile == "" {
		v.Fail("ca_file", "is needed with cert_file")
	}
}

// ListenBeyondLoopback allows plain text on every address of the configuration.
func (c *Config) ListenBeyondLoopback() {
	c.HTTP.InsecureListen = true
	c.Telemetry.InsecureListen = true
	for _, s := range []*grpcserver.Config{&c.GRPC.Router, &c.GRPC.Guardrail, &c.GRPC.RAG, &c.GRPC.Billing} {
		s.InsecureListen = true
	}
}

package telemetry

import (
	"log/slog"
	"net"
	"net/url"
	"strings"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Config is the telemetry section.
type Config struct {
	// OTLPEndpoint receives traces and metrics over OTLP/gRPC: host:port, or
	// a URL whose scheme says whether to use TLS. Empty: the environment
	// variable OTEL_EXPORTER_OTLP_ENDPOINT, and without that nothing is sent.
	OTLPEndpoint string `yaml:"otlp_endpoint"`
	// SampleRatio is the share of traces begun here that are recorded, from 0
	// to 1. A trace begun elsewhere keeps the choice made there.
	SampleRatio float64 `yaml:"sample_ratio"`
	// MetricsInterval is the time between two sendings of metrics.
	MetricsInterval config.Duration `yaml:"metrics_interval"`
	// MetricsAddr serves /metrics for Prometheus. Empty: not served.
	MetricsAddr string `yaml:"metrics_addr"`
	// InsecureListen lets MetricsAddr be other than loopback.
	InsecureListen bool `yaml:"insecure_listen"`
	// LogLevel is debug, info, warn or error.
	LogLevel slog.Level `yaml:"log_level"`
	// LogFormat is json or text.
	LogFormat string `yaml:"log_format"`
}

// DefaultConfig records one trace in a hundred and sends nothing.
func DefaultConfig() Config {
	return Config{
		SampleRatio:     0.01,
		MetricsInterval: config.Duration(60e9),
		MetricsAddr:     "127.0.0.1:9464",
		LogFormat:       "json",
	}
}

// Validate implements config.Section.
func (c Config) Validate(v *config.Validator) {
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) {
		v.Fail("sample_ratio", "must be from 0 to 1")
	}
	if c.LogFormat != "json" && c.LogFormat != "text" {
		v.Fail("log_format", "must be json or text")
	}
	if c.MetricsInterval <= 0 {
		v.Fail("metrics_interval", "must be positive")
	}
	if c.MetricsAddr != "" {
		if _, _, err := net.SplitHostPort(c.MetricsAddr); err != nil {
			v.Fail("metrics_addr", "must be host:port")
		}
	}
	if _, ok := parseEndpoint(c.OTLPEndpoint); !ok {
		v.Fail("otlp_endpoint", "must be host:port, http://host:port or https://host:port")
	}
}

// endpoint is where OTLP goes; empty address means nowhere.
type endpoint struct {
	address  string
	insecure bool
}

// parseEndpoint reads both forms. A bare address uses TLS unless it is
// loopback.
func parseEndpoint(text string) (endpoint, bool) {
	if text == "" {
		return endpoint{}, true
	}
	if !strings.Contains(text, "://") {
		host, _, err := net.SplitHostPort(text)
		ip := net.ParseIP(host)
		return endpoint{address: text, insecure: host == "localhost" || ip.IsLoopback()}, err == nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return endpoint{}, false
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "4317")
	}
	return endpoint{address: address, insecure: u.Scheme == "http"}, true
}

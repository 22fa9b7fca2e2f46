// Package valkey is what the replicas of a router share through a Valkey or
// Redis: what targets and keys were granted, which circuits are open, and values
// that others keep. Without it, and
// while it is away, each replica goes on alone.
package valkey

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// Config says where it is. Without an address nothing is shared.
type Config struct {
	// Addr is host and port of one server, or of the primary of several.
	Addr string `yaml:"addr"`
	// Username and Password sign in; without a username the default user does.
	Username string        `yaml:"username"`
	Password secret.String `yaml:"password"`
	// TLS encrypts the connection.
	TLS TLS `yaml:"tls"`
	// Timeout bounds each call; 100ms. Whoever waited so long once goes on alone.
	Timeout config.Duration `yaml:"timeout"`
	// Prefix begins the names of all keys; tollgate.
	Prefix string `yaml:"prefix"`
	// Replicas is how many routers there are taken to be until they have met; 2.
	Replicas int `yaml:"replicas"`
}

// TLS encrypts the connection if anything is set.
type TLS struct {
	// Enabled is for a certificate of an authority that the system knows.
	Enabled bool `yaml:"enabled"`
	// CAFile holds the authorities whose certificate the server must show.
	CAFile string `yaml:"ca_file"`
	// CertFile and KeyFile are what this router shows, where the server asks.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Timeout == 0 {
		c.Timeout = config.Duration(100 * time.Millisecond)
	}
	if c.Prefix == "" {
		c.Prefix = "tollgate"
	}
	if c.Replicas == 0 {
		c.Replicas = 2
	}
	return c
}

// Equal compares.
func (c Config) Equal(o Config) bool {
	same := c.Password.Equal(o.Password)
	c.Password, o.Password = secret.String{}, secret.String{}
	return same && c == o
}

// Validate reports every fault.
func (c Config) Validate(v *config.Validator) {
	if c.Addr == "" {
		return // nothing is shared, whatever else is set
	}
	if host, port, err := net.SplitHostPort(c.Addr); err != nil || host == "" || port == "" {
		v.Fail("addr", "must be host and port, for example valkey:6379")
	}
	if c.Timeout < 0 || c.Timeout.Std() > 10*time.Second {
		v.Fail("timeout", "must be from 0s, which is 100ms, to 10s")
	}
	if c.Replicas < 0 {
		v.Fail("replicas", "must not be negative")
	}
	if strings.ContainsAny(c.Prefix, "{} \t\r\n") {
		v.Fail("prefix", "must hold neither braces nor spaces")
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		v.Fail("tls", "cert_file and key_file go together")
	}
	for name, file := range map[string]string{"ca_file": c.TLS.CAFile, "cert_file": c.TLS.CertFile, "key_file": c.TLS.KeyFile} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			v.Fail("tls."+name, "cannot be read: %v", err)
		}
	}
}

// load reads the files; nil means no encryption.
func (t TLS) load() (*tls.Config, error) {
	if t == (TLS{}) {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("read ca_file: it holds no certificate")
		}
	}
	if t.CertFile != "" {
		own, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

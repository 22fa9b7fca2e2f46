// Package listen opens listeners by one rule: plain text stays on loopback.
// Anything else needs TLS, or the operator's word that something in front
// protects it.
package listen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// TLS is the section of a server's certificate. Without CertFile there is no
// TLS.
type TLS struct {
	// CertFile and KeyFile hold the certificate chain and its key, in PEM.
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
	// ClientCAFile, if set, makes clients show a certificate signed by one of
	// the authorities in it.
	ClientCAFile string `yaml:"client_ca_file"`
}

// Enabled reports whether TLS is configured.
func (t TLS) Enabled() bool { return t.CertFile != "" }

// Validate implements config.Section.
func (t TLS) Validate(v *config.Validator) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		v.Fail("", "cert_file and key_file go together")
	}
	if t.ClientCAFile != "" && t.CertFile == "" {
		v.Fail("client_ca_file", "needs cert_file and key_file")
	}
	for name, file := range map[string]string{"cert_file": t.CertFile, "key_file": t.KeyFile, "client_ca_file": t.ClientCAFile} {
		if file == "" {
			continue
		}
		if _, err := os.Stat(file); err != nil {
			v.Fail(name, "the file cannot be read")
		}
	}
}

// Load reads the files. It returns nil without TLS.
func (t TLS) Load() (*tls.Config, error) {
	if !t.Enabled() {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if t.ClientCAFile == "" {
		return conf, nil
	}
	pem, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("load client authorities: %w", err)
	}
	conf.ClientCAs = x509.NewCertPool()
	if !conf.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("load client authorities: no certificate in %s", t.ClientCAFile)
	}
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	return conf, nil
}

// ErrPlaintext says that plain text would have left the machine.
var ErrPlaintext = errors.New("plain text beyond loopback needs TLS, or insecure_listen where something else protects it")

// Check refuses an address that plain text must not be served on.
func Check(addr net.Addr, secure, insecureListen bool) error {
	if secure || insecureListen || loopback(addr) {
		return nil
	}
	return fmt.Errorf("listen on %s: %w", addr, ErrPlaintext)
}

// On opens a TCP listener that Check allows.
func On(ctx context.Context, addr string, secure, insecureListen bool) (net.Listener, error) {
	var lc net.ListenConfig
	lis, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := Check(lis.Addr(), secure, insecureListen); err != nil {
		_ = lis.Close() // nothing was served on it
		return nil, err
	}
	return lis, nil
}

// loopback reports whether addr is reached from this machine only. Addresses
// that are not IP, such as unix sockets and in-memory ones, are.
func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

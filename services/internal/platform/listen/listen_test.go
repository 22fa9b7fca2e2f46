package listen_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/listen"
)

func TestCheck(t *testing.T) {
	tcp := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1} }
	tests := []struct {
		addr             net.Addr
		secure, insecure bool
		ok               bool
	}{
		{tcp("127.0.0.1"), false, false, true},
		{tcp("127.8.8.8"), false, false, true},
		{tcp("::1"), false, false, true},
		{&net.UnixAddr{Name: "/x"}, false, false, true},
		{tcp("0.0.0.0"), false, false, false},
		{tcp("::"), false, false, false},
		{tcp("10.0.0.1"), false, false, false},
		{tcp("10.0.0.1"), true, false, true},
		{tcp("10.0.0.1"), false, true, true},
	}
	for _, tt := range tests {
		err := listen.Check(tt.addr, tt.secure, tt.insecure)
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, listen.ErrPlaintext) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

func TestOnClosesWhatItRefuses(t *testing.T) {
	if _, err := listen.On(t.Context(), "0.0.0.0:0", false, false); !errors.Is(err, listen.ErrPlaintext) {
		t.Errorf("got %v", err)
	}
	lis, err := listen.On(t.Context(), "localhost:0", false, false)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	if _, err := listen.On(t.Context(), lis.Addr().String(), false, false); err == nil {
		t.Error("the same port twice")
	}
}

// certificate writes a certificate for localhost that signs itself.
func certificate(t *testing.T, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind, file string, der []byte) string {
		path := filepath.Join(t.TempDir(), file)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("CERTIFICATE", name+".crt", der), write("EC PRIVATE KEY", name+".key", keyDER)
}

func TestMutualTLS(t *testing.T) {
	serverCert, serverKey := certificate(t, "server")
	clientCert, clientKey := certificate(t, "client")
	otherCert, otherKey := certificate(t, "other")
	conf, err := listen.TLS{CertFile: serverCert, KeyFile: serverKey, ClientCAFile: clientCert}.Load()
	if err != nil {
		t.Fatal(err)
	}
	lis, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	go func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "hello") // fails where the client has no right
			_ = conn.Close()
		}
	}()
	roots := x509.NewCertPool()
	pemBytes, err := os.ReadFile(serverCert)
	if err != nil {
		t.Fatal(err)
	}
	roots.AppendCertsFromPEM(pemBytes)
	for _, tt := range []struct {
		name, cert, key string
		ok              bool
	}{{"right", clientCert, clientKey, true}, {"other", otherCert, otherKey, false}, {"none", "", "", false}} {
		client := &tls.Config{RootCAs: roots, ServerName: "localhost"}
		if tt.cert != "" {
			pair, err := tls.LoadX509KeyPair(tt.cert, tt.key)
			if err != nil {
				t.Fatal(err)
			}
			// Shown whatever the server asks for.
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
		}
		conn, err := tls.Dial("tcp", lis.Addr().String(), client)
		var got []byte
		if err == nil {
			got, _ = io.ReadAll(conn) // what was refused reads nothing
			_ = conn.Close()
		}
		if (string(got) == "hello") != tt.ok {
			t.Errorf("%s: %q %v", tt.name, got, err)
		}
	}
}

func TestTLSFaults(t *testing.T) {
	if conf, err := (listen.TLS{}).Load(); conf != nil || err != nil {
		t.Errorf("no TLS: %v %v", conf, err)
	}
	cert, key := certificate(t, "server")
	for _, broken := range []listen.TLS{
		{CertFile: "/none", KeyFile: "/none"},
		{CertFile: key, KeyFile: key},
		{CertFile: cert, KeyFile: key, ClientCAFile: "/none"},
		{CertFile: cert, KeyFile: key, ClientCAFile: key},
	} {
		if _, err := broken.Load(); err == nil {
			t.Errorf("%+v loads", broken)
		}
	}
	v := config.NewValidator()
	listen.TLS{KeyFile: "/none", ClientCAFile: "/none"}.Validate(v)
	err := v.Err()
	for _, want := range []string{"go together", "needs cert_file", "key_file: the file cannot be read"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

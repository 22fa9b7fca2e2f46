package valkey

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

func TestConfigFaults(t *testing.T) {
	for _, tc := range []struct {
		name string
		c    Config
		want []string // places of faults
	}{
		{"none", Config{}, nil},
		{"address", Config{Addr: "valkey:6379"}, nil},
		{"all that is unset has a default", Config{Addr: "valkey:6379"}.WithDefaults(), nil},
		{"without address nothing is looked at", Config{Prefix: "{x}"}, nil},
		{"no port", Config{Addr: "valkey"}, []string{"addr"}},
		{"no host", Config{Addr: ":6379"}, []string{"addr"}},
		{"bounds", Config{Addr: "v:1", Timeout: -1, Replicas: -1, Prefix: "a{b"}, []string{"timeout", "replicas", "prefix"}},
		{"half a pair", Config{Addr: "v:1", TLS: TLS{CertFile: "config_test.go"}}, []string{"tls"}},
		{"no file", Config{Addr: "v:1", TLS: TLS{CAFile: "missing.pem"}}, []string{"tls.ca_file"}},
	} {
		v := config.NewValidator()
		tc.c.Validate(v)
		var text string
		if err := v.Err(); err != nil {
			text = err.Error()
		}
		if (text == "") != (tc.want == nil) {
			t.Errorf("%s: %s", tc.name, text)
		}
		for _, path := range tc.want {
			if !strings.Contains(text, path+":") {
				t.Errorf("%s: no fault at %s in %s", tc.name, path, text)
			}
		}
	}
}

func TestConfigsAreCompared(t *testing.T) {
	a := Config{Addr: "v:1", Password: secret.New("p")}
	b := Config{Addr: "v:1", Password: secret.New("p")}
	if !a.Equal(b) {
		t.Error("the same configuration, read twice, differs")
	}
	b.Password = secret.New("q")
	if a.Equal(b) {
		t.Error("another password makes no difference")
	}
	if b = a; a.Equal(Config{Addr: "v:2", Password: b.Password}) {
		t.Error("another address makes no difference")
	}
}

func TestTLSFilesMustHoldCertificates(t *testing.T) {
	if c, err := (TLS{}).load(); c != nil || err != nil {
		t.Errorf("without settings: %v %v", c, err)
	}
	if c, err := (TLS{Enabled: true}).load(); c == nil || err != nil || c.RootCAs != nil {
		t.Errorf("enabled: %v %v", c, err)
	}
	if _, err := (TLS{CAFile: "config_test.go"}).load(); err == nil {
		t.Error("a file without certificates will do")
	}
	if _, err := (TLS{CertFile: "config_test.go", KeyFile: "config_test.go"}).load(); err == nil {
		t.Error("a file without a key will do")
	}
}

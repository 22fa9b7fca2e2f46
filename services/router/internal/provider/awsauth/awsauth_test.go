package awsauth_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/awsauth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nowhere takes away what the machine may know of AWS.
func nowhere(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "credentials"))
}

func fixed() provider.Target {
	return provider.Target{Name: "t", Region: "eu-central-1", AWS: provider.AWS{AccessKeyID: awstest.AccessKey, SecretAccessKey: secret.New(awstest.Secret)}}
}

func signer(t *testing.T, of provider.Target) *awsauth.Signer {
	t.Helper()
	s, err := awsauth.New(t.Context(), of, "bedrock", true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signed makes a signed request, as it comes to a server.
func signed(t *testing.T, s *awsauth.Signer, path, body string) (*http.Request, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	err = s.Prepare(r, []byte(body))
	return r, err
}

func access(r *http.Request) string {
	_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(rest, "/")
	return key
}

// A checker that is not ours accepts the signature, whatever the path is.
func TestSignature(t *testing.T) {
	nowhere(t)
	door := awstest.Door{Service: "bedrock", Secrets: map[string]string{awstest.AccessKey: awstest.Secret}, NoBearer: true}
	for _, path := range []string{"/model/amazon.nova-lite-v1%3A0/converse", "/model/arn%3Aaws%3Abedrock%3Ax%3A1%3Aprofile%2Fa%2Bb/invoke", "/inference-profiles?nextToken=a%2Fb&maxResults=5"} {
		r, err := signed(t, signer(t, fixed()), path, `{"a":1}`)
		if err != nil {
			t.Fatal(err)
		}
		region, fault := door.Check(r, []byte(`{"a":1}`))
		if fault != nil || region != "eu-central-1" {
			t.Errorf("%s: %v, region %q", path, fault, region)
		}
		if _, fault := door.Check(r, []byte(`{"a":2}`)); fault == nil {
			t.Errorf("%s: another body is accepted", path)
		}
	}
}

func TestBearerKeyIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := signer(t, provider.Target{Name: "t", APIKeyFile: file})
	for _, want := range []string{"Bearer one", "Bearer two"} {
		if want == "Bearer two" {
			if err := os.WriteFile(file, []byte("two"), 0o600); err != nil {
				t.Fatal(err)
			}
			_ = os.Chtimes(file, time.Now(), time.Now().Add(time.Minute))
			time.Sleep(1100 * time.Millisecond) // how often it is looked at
		}
		r, err := signed(t, s, "/", "")
		if err != nil || r.Header.Get("Authorization") != want {
			t.Errorf("%s, %v, want %s", r.Header.Get("Authorization"), err, want)
		}
	}
}

// A profile's keys may be changed in the file.
func TestProfileIsReadAgain(t *testing.T) {
	nowhere(t)
	file := os.Getenv("AWS_SHARED_CREDENTIALS_FILE")
	write := func(key string) {
		text := fmt.Sprintf("[east]\naws_access_key_id = %s\naws_secret_access_key = s\n", key)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("AKIDONE")
	synctest.Test(t, func(t *testing.T) {
		s := signer(t, provider.Target{Name: "t", Region: "r", AWS: provider.AWS{Profile: "east"}})
		for _, want := range []string{"AKIDONE", "AKIDONE", "AKIDTWO"} {
			r, err := signed(t, s, "/", "")
			if err != nil || access(r) != want {
				t.Errorf("signed by %s, %v, want %s", access(r), err, want)
			}
			write("AKIDTWO")
			if want == "AKIDONE" {
				time.Sleep(4 * time.Minute)
			}
		}
	})
	if _, err := awsauth.New(t.Context(), provider.Target{Name: "t", Region: "r", AWS: provider.AWS{Profile: "west"}}, "bedrock", true); err == nil {
		t.Error("a profile that does not exist is accepted")
	}
}

// A role is taken on with the target's keys, once as long as it lasts.
func TestRole(t *testing.T) {
	nowhere(t)
	asked := 0
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if asked++; !strings.Contains(string(body), "role%2Freader") || access(r) != awstest.AccessKey {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `<ErrorResponse><Error><Code>AccessDenied</Code><Message>arn:aws:iam::1:user/secret</Message></Error></ErrorResponse>`)
			return
		}
		_, _ = io.WriteString(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>tok</SessionToken><Expiration>`+
			time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`)
	}))
	defer sts.Close()
	defer http.DefaultClient.CloseIdleConnections()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	of := fixed()
	of.AWS.RoleARN = "arn:aws:iam::123456789012:role/reader"
	s := signer(t, of)
	for range 2 {
		r, err := signed(t, s, "/", "")
		if err != nil || access(r) != "AKIDROLE" || r.Header.Get("X-Amz-Security-Token") != "tok" {
			t.Errorf("signed by %s, %v", access(r), err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	of.AWS.RoleARN = "arn:aws:iam::123456789012:role/other"
	_, err := signed(t, signer(t, of), "/", "")
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH) || errors.Unwrap(err).Error() != "no credentials: AccessDenied" {
		t.Errorf("forbidden role: %v", errors.Unwrap(err))
	}
}

func TestNoCredentials(t *testing.T) {
	nowhere(t)
	_, err := signed(t, signer(t, provider.Target{Name: "t", Region: "r"}), "/", "")
	if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH) {
		t.Errorf("got %v", err)
	}
	if _, err := awsauth.New(t.Context(), provider.Target{Name: "t"}, "bedrock", true); err == nil {
		t.Error("no region is accepted")
	}
}

func TestValidate(t *testing.T) {
	for want, of := range map[string]provider.Target{
		"": fixed(), "region": {},
		"aws.secret_access_key": {Region: "r", AWS: provider.AWS{AccessKeyID: "a"}},
		"aws.session_token":     {Region: "r", AWS: provider.AWS{SessionToken: secret.New("a")}},
		"aws.profile":           {Region: "r", AWS: provider.AWS{AccessKeyID: "a", SecretAccessKey: secret.New("s"), Profile: "p"}},
	} {
		v := config.NewValidator()
		awsauth.Validate(of, v)
		if err := v.Err(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

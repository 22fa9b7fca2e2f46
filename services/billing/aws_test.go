package billing_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// sha256 of nothing.
const noBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func signed(t *testing.T, key *accountv1.CreateKeyResponse) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://gateway/bedrock/foundation-models", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = r.URL.Host
	pair := aws.Credentials{AccessKeyID: key.GetAwsAccessKeyId(), SecretAccessKey: key.GetAwsSecretAccessKey()}
	if err := v4.NewSigner().SignHTTP(t.Context(), pair, r, noBody, "bedrock", "eu-west-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAWSCredentialsOfAKey(t *testing.T) {
	w := newWorld(t, nil)
	made, err := w.accounts.CreateKey(w.admin, &accountv1.CreateKeyRequest{Key: &accountv1.Key{
		Roles: []accountv1.Role{accountv1.Role_ROLE_DEVELOPER}, Residency: "eu", Compliance: "regulated",
	}})
	if err != nil {
		t.Fatal(err)
	}
	id, access := made.GetAwsAccessKeyId(), made.GetAwsSecretAccessKey()
	if !strings.HasPrefix(id, "TGAK") || len(id) != 20 || len(access) < 40 || strings.Contains(access, made.GetSecret()) {
		t.Fatalf("credentials %q, %d characters", id, len(access))
	}
	authenticator := auth.NewAuthenticator(w.service.KeyResolver(), auth.Options{})
	p, err := authenticator.AuthenticateSigned(t.Context(), signed(t, made), nil)
	if err != nil || "keys/"+p.Key != made.GetKey().GetName() || p.Organization != "default" || !p.HasRole(auth.RoleDeveloper) ||
		p.Residency != "eu" || p.Compliance != "regulated" {
		t.Fatalf("%+v, %v", p, err)
	}
	other, err := w.accounts.CreateKey(w.admin, &accountv1.CreateKeyRequest{Key: &accountv1.Key{Roles: []accountv1.Role{accountv1.Role_ROLE_DEVELOPER}}})
	if err != nil {
		t.Fatal(err)
	}
	mixed := &accountv1.CreateKeyResponse{AwsAccessKeyId: id, AwsSecretAccessKey: other.GetAwsSecretAccessKey()}
	_, err = authenticator.AuthenticateSigned(t.Context(), signed(t, mixed), nil)
	wantReason(t, "the secret of another key", err, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED)

	if _, err := w.accounts.RevokeKey(w.admin, &accountv1.RevokeKeyRequest{Name: made.GetKey().GetName()}); err != nil {
		t.Fatal(err)
	}
	fresh := auth.NewAuthenticator(w.service.KeyResolver(), auth.Options{})
	_, err = fresh.AuthenticateSigned(t.Context(), signed(t, made), nil)
	wantReason(t, "a revoked key", err, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED)
}

func TestResolveSigningKey(t *testing.T) {
	w := newWorld(t, nil)
	made, err := w.accounts.CreateKey(w.admin, &accountv1.CreateKeyRequest{Key: &accountv1.Key{Roles: []accountv1.Role{accountv1.Role_ROLE_DEVELOPER}}})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(change func(*accountv1.ResolveSigningKeyRequest)) *accountv1.ResolveSigningKeyRequest {
		r := &accountv1.ResolveSigningKeyRequest{
			AccessKeyId: made.GetAwsAccessKeyId(), Date: time.Now().UTC().Format("20060102"), Region: "us-east-1", Service: "bedrock",
		}
		if change != nil {
			change(r)
		}
		return r
	}
	_, err = w.accounts.ResolveSigningKey(w.admin, ask(nil))
	wantReason(t, "an operator", err, llmv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED)
	first, err := w.accounts.ResolveSigningKey(w.inside, ask(nil))
	if err != nil || len(first.GetSigningKey()) != 32 || first.GetKey().GetName() != made.GetKey().GetName() {
		t.Fatalf("%v, %v", first, err)
	}
	elsewhere, err := w.accounts.ResolveSigningKey(w.inside, ask(func(r *accountv1.ResolveSigningKeyRequest) { r.Region = "us-east-2" }))
	if err != nil || string(elsewhere.GetSigningKey()) == string(first.GetSigningKey()) {
		t.Errorf("the key does not depend on the region (%v)", err)
	}
	for name, change := range map[string]func(*accountv1.ResolveSigningKeyRequest){
		"another prefix": func(r *accountv1.ResolveSigningKeyRequest) { r.AccessKeyId = "AKIA" + r.GetAccessKeyId()[4:] },
		"nobody's":       func(r *accountv1.ResolveSigningKeyRequest) { r.AccessKeyId = "TGAK0000000000000000" },
		"the day after tomorrow": func(r *accountv1.ResolveSigningKeyRequest) {
			r.Date = time.Now().UTC().AddDate(0, 0, 2).Format("20060102")
		},
		"no day":    func(r *accountv1.ResolveSigningKeyRequest) { r.Date = "20269999" },
		"no region": func(r *accountv1.ResolveSigningKeyRequest) { r.Region = "" },
	} {
		_, err := w.accounts.ResolveSigningKey(w.inside, ask(change))
		if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED) && !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

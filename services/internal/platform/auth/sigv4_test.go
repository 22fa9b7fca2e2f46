package auth

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

const (
	accessKeyID = "TGAK0123456789abcdef"
	accessKey   = "ZmFrZS1zZWNyZXQtYWNjZXNzLWtleS1mb3ItdGVzdHM"
)

// signers is a resolver that also knows one access key.
type signers struct {
	resolver
	scopes []SigningScope
}

func (s *signers) ResolveSigningKey(_ context.Context, scope SigningScope) (*Principal, secret.String, error) {
	s.asked.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = append(s.scopes, scope)
	p := s.keys[scope.AccessKeyID]
	switch {
	case s.err != nil:
		return nil, secret.String{}, s.err
	case p == nil:
		return nil, secret.String{}, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "")
	}
	key := []byte("AWS4" + accessKey)
	for _, part := range []string{scope.Date, scope.Region, scope.Service, "aws4_request"} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return p, secret.New(string(key)), nil
}

func signedFixture(options Options) (*Authenticator, *signers) {
	s := &signers{resolver: resolver{keys: map[string]*Principal{
		"tg_a": {Organization: "acme", Key: "a"}, accessKeyID: {Organization: "acme", Key: "a"},
	}}}
	return NewAuthenticator(s, options), s
}

// edge is a server that authenticates and says so in Bedrock's way.
type edge struct {
	*httptest.Server
	mu   sync.Mutex
	err  error
	path string
}

func newEdge(t *testing.T, a *Authenticator, serve func(http.Handler) *httptest.Server) *edge {
	e := &edge{}
	e.Server = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		p, err := a.AuthenticateSigned(r.Context(), r, body)
		if (p == nil) == (err == nil) {
			t.Errorf("%v, %v", p, err)
		}
		e.mu.Lock()
		e.err, e.path = err, r.URL.EscapedPath()
		e.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"message":"no"}`)
			return
		}
		_, _ = io.WriteString(w, `{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2},"metrics":{"latencyMs":1}}`)
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *edge) seen() (path string, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.path, e.err
}

func converse(t *testing.T, e *edge, model string, provider aws.CredentialsProvider) error {
	t.Helper()
	client := bedrockruntime.New(bedrockruntime.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(e.URL + "/bedrock"), HTTPClient: awstest.Over(e.Client().Transport),
		Credentials: provider, RetryMaxAttempts: 1,
	})
	_, err := client.Converse(t.Context(), &bedrockruntime.ConverseInput{
		ModelId: aws.String(model),
		Messages: []types.Message{{
			Role:    types.ConversationRoleUser,
			Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "Grüße, “world”"}},
		}},
	})
	return err
}

func TestBedrockSDKSigns(t *testing.T) {
	a, s := signedFixture(Options{})
	e := newEdge(t, a, httptest.NewServer)
	good := credentials.NewStaticCredentialsProvider(accessKeyID, accessKey, "")
	for _, model := range []string{
		"anthropic.claude-3-5-sonnet-20240620-v1:0",
		"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-sonnet-4-5-v1:0",
		"arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a%2Fb c+d~e*(f)'!é",
		"gpt-4o-mini",
	} {
		if err := converse(t, e, model, good); err != nil {
			path, seen := e.seen()
			t.Errorf("%s: %v; %v at %s", model, err, seen, path)
		}
	}
	if want := (SigningScope{accessKeyID, time.Now().UTC().Format("20060102"), "eu-central-1", "bedrock"}); len(s.scopes) != 1 || s.scopes[0] != want {
		t.Errorf("asked for %v, want once %v", s.scopes, want)
	}
	for name, bad := range map[string]aws.CredentialsProvider{
		"wrong secret":   credentials.NewStaticCredentialsProvider(accessKeyID, accessKey+"x", ""),
		"unknown key":    credentials.NewStaticCredentialsProvider("TGAKnobodyhasthis0001", accessKey, ""),
		"session token":  credentials.NewStaticCredentialsProvider(accessKeyID, accessKey, "session"),
		"a key as an id": credentials.NewStaticCredentialsProvider("tg_a", "tg_a", ""),
	} {
		if err := converse(t, e, "m", bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, seen := e.seen(); reasonOf(seen) != unauthenticated {
			t.Errorf("%s: %v", name, seen)
		}
	}
}

func TestBedrockBearerKey(t *testing.T) {
	a, s := signedFixture(Options{})
	e := newEdge(t, a, httptest.NewTLSServer) // without TLS, the SDK keeps a bearer key to itself
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "tg_a")
	if err := converse(t, e, "anthropic.claude-v2", credentials.NewStaticCredentialsProvider("unused", "unused", "")); err != nil {
		t.Error(err)
	}
	if len(s.scopes) != 0 {
		t.Errorf("a bearer key was taken for a signature: %v", s.scopes)
	}
	t.Setenv("AWS_BEARER_TOKEN_BEDROCK", "tg_z")
	if err := converse(t, e, "anthropic.claude-v2", nil); err == nil {
		t.Error("an unknown bearer key is accepted")
	}
}

// request is a signed request as a server reads it from the wire.
func request(t testing.TB, at time.Time, service, target, body string, change func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	sum := sha256.Sum256([]byte(body))
	err = v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: accessKey}, r,
		hex.EncodeToString(sum[:]), service, "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return received(t, r)
}

func received(t testing.TB, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	if err := r.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSignatureRules(t *testing.T) {
	const target, body = "http://gateway.example:8080/bedrock/model/a%3Ab%2Fc/invoke?b=2&a=1%202&a=%7E", `{"a":1}`
	now := time.Now()
	header := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	edit := func(from, to string) func(*http.Request) {
		return func(r *http.Request) {
			value := r.Header.Get("Authorization")
			if !strings.Contains(value, from) {
				t.Fatalf("%q lacks %q", value, from)
			}
			r.Header.Set("Authorization", strings.Replace(value, from, to, 1))
		}
	}
	tests := []struct {
		name    string
		at      time.Time
		service string
		body    string
		before  func(*http.Request) // signed too
		after   func(*http.Request) // done to what was signed
		want    llmv1.ErrorReason
	}{
		{name: "as it is", want: ok},
		{name: "a signed hash", before: header("X-Amz-Content-Sha256", hexOf(body)), want: ok},
		{name: "an unsigned header more", after: header("X-Forwarded-For", "10.0.0.1"), want: ok},
		{name: "odd blanks", before: header("X-Amz-Note", "  a   b  "), want: ok},
		{name: "four minutes late", at: now.Add(-4 * time.Minute), want: ok},
		{name: "six minutes late", at: now.Add(-6 * time.Minute), want: unauthenticated},
		{name: "six minutes early", at: now.Add(6 * time.Minute), want: unauthenticated},
		{name: "other body", body: `{"a":2}`, want: unauthenticated},
		{name: "no body", body: "-", want: unauthenticated},
		{name: "other path", after: func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/bedrock/model/other/invoke", "" }, want: unauthenticated},
		{name: "path escaped less", after: func(r *http.Request) { r.URL.RawPath = "/bedrock/model/a:b%2Fc/invoke" }, want: unauthenticated},
		{name: "other query", after: func(r *http.Request) { r.URL.RawQuery = "b=2&a=1" }, want: unauthenticated},
		{name: "other method", after: func(r *http.Request) { r.Method = http.MethodPut }, want: unauthenticated},
		{name: "other host", after: func(r *http.Request) { r.Host = "elsewhere.example" }, want: unauthenticated},
		{name: "other signed header", after: header("Content-Type", "text/plain"), want: unauthenticated},
		{name: "other date header", after: header("X-Amz-Date", now.Add(time.Second).UTC().Format(signingTime)), want: unauthenticated},
		{name: "host unsigned", after: edit("content-length;content-type;host;", "content-length;content-type;"), want: unauthenticated},
		{name: "date unsigned", after: edit(";x-amz-date", ""), want: unauthenticated},
		{name: "headers twice", after: edit("host;", "host;host;"), want: unauthenticated},
		{name: "other region", after: edit("us-east-1", "us-east-2"), want: unauthenticated},
		{name: "other day", after: edit(now.UTC().Format("/20060102/"), "/20200101/"), want: unauthenticated},
		{name: "other service", service: "s3", want: unauthenticated},
		{name: "unsigned payload", before: header("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), want: unauthenticated},
		{name: "signed chunks", before: header("X-Amz-Content-Sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), want: unauthenticated},
		{name: "asymmetric", after: edit("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), want: unauthenticated},
		{name: "no signature", after: header("Authorization", "AWS4-HMAC-SHA256"), want: unauthenticated},
		{name: "short signature", after: edit("Signature=", "Signature=ab, Signed="), want: unauthenticated},
		{name: "unsigned", after: func(r *http.Request) { r.Header.Del("Authorization") }, want: unauthenticated},
	}
	for _, tt := range tests {
		a, _ := signedFixture(Options{})
		a.now = func() time.Time { return now }
		if tt.at.IsZero() {
			tt.at = now
		}
		if tt.service == "" {
			tt.service = "bedrock"
		}
		r := request(t, tt.at, tt.service, target, body, tt.before)
		if tt.after != nil {
			tt.after(r)
		}
		sent := body
		if tt.body != "" {
			sent = strings.Trim(tt.body, "-")
		}
		p, err := a.AuthenticateSigned(t.Context(), r, []byte(sent))
		if reasonOf(err) != tt.want || (p == nil) == (err == nil) {
			t.Errorf("%s: %v, %v", tt.name, p, err)
		}
		if signature := err != nil && errors.Is(err, ErrSignature); signature != (tt.want != ok && tt.name != "unsigned") {
			t.Errorf("%s: error about the signature: %v", tt.name, signature)
		}
	}
}

func hexOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func TestSigningKeysAreCachedAsKeysAre(t *testing.T) {
	a, s := signedFixture(Options{TTL: 5 * time.Second, StaleFor: time.Minute})
	now := time.Now()
	a.now = func() time.Time { return now }
	ask := func(want llmv1.ErrorReason, asked int64) {
		t.Helper()
		_, err := a.AuthenticateSigned(t.Context(), request(t, now, "bedrock", "http://x/bedrock/m", "{}", nil), []byte("{}"))
		if reasonOf(err) != want || s.asked.Load() != asked {
			t.Errorf("%v, asked %d times, want %v, %d", err, s.asked.Load(), want, asked)
		}
	}
	ask(ok, 1)
	ask(ok, 1)
	a.Invalidate("another")
	ask(ok, 1)
	s.set(func() { delete(s.keys, accessKeyID) })
	ask(ok, 1) // within the bound of staleness
	a.Invalidate("a")
	ask(unauthenticated, 2)
	s.set(func() { s.keys[accessKeyID] = &Principal{Organization: "acme", Key: "a"} })
	now = now.Add(2 * time.Second)
	ask(ok, 3)
	now = now.Add(6 * time.Second)
	s.set(func() { delete(s.keys, accessKeyID) })
	ask(unauthenticated, 4) // revoked elsewhere: refused once the answer is old
	s.set(func() { s.keys[accessKeyID] = &Principal{Organization: "acme", Key: "a"} })
	now = now.Add(2 * time.Second)
	ask(ok, 5)
	s.set(func() { s.err = errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "") })
	now = now.Add(6 * time.Second)
	ask(ok, 6)
	now = now.Add(2 * time.Minute)
	ask(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, 7)
}

func TestNoSignatureWithoutResolver(t *testing.T) {
	a, _, _ := fixture(Options{})
	a.now = time.Now
	r := request(t, time.Now(), "bedrock", "http://x/", "", nil)
	if _, err := a.AuthenticateSigned(t.Context(), r, nil); reasonOf(err) != unauthenticated {
		t.Error(err)
	}
}

// signedOverWire is a request that the SDK has signed, as a server reads it;
// nil if it cannot be made, signed or written.
func signedOverWire(t *testing.T, path, query, value, body string) *http.Request {
	u := &url.URL{Scheme: "http", Host: "gateway", Path: "/" + path, RawQuery: query}
	if _, err := url.Parse(u.String()); err != nil || strings.ContainsAny(query, "#\t\n\r ") || !visible(value) {
		return nil
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil || r.URL.Fragment != "" {
		return nil
	}
	r.Header["X-Amz-Note"] = []string{value}
	sum := sha256.Sum256([]byte(body))
	var wire bytes.Buffer
	if v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: accessKey}, r,
		hex.EncodeToString(sum[:]), "bedrock", "us-east-1", time.Now()) != nil || r.Write(&wire) != nil {
		return nil
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		return nil
	}
	return got
}

// FuzzSigned: whatever the SDK's signer signs holds once it has crossed the
// wire, and does not hold for another body.
func FuzzSigned(f *testing.F) {
	f.Add("/bedrock/model/a%2Fb:c/invoke", "a=1&a=0&b", "one  two", "{}")
	f.Add("/", "", "", "")
	f.Add("/é/../~%7E//%", "x=%20+&=&&é=/-", "q", "\x00")
	f.Fuzz(func(t *testing.T, path, query, value, body string) {
		got := signedOverWire(t, path, query, value, body)
		if got == nil {
			t.Skip("no client can send this")
		}
		a, _ := signedFixture(Options{})
		if _, err := a.AuthenticateSigned(t.Context(), got, []byte(body)); err != nil {
			t.Fatalf("%s: %v", got.RequestURI, err)
		}
		if _, err := a.AuthenticateSigned(t.Context(), got, []byte(body+".")); err == nil {
			t.Fatal("another body passes")
		}
	})
}

// visible: what every HTTP library lets through as it is.
func visible(value string) bool {
	for i := range len(value) {
		if value[i] < ' ' || value[i] > '~' {
			return false
		}
	}
	return true
}

func FuzzParseSignature(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=TGAK0123456789abcdef/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + hexOf(""))
	f.Add("AWS4-HMAC-SHA256 Credential=////,SignedHeaders=;;,Signature=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSignature(http.Header{"Authorization": {text}})
		if err != nil {
			if reasonOf(err) != unauthenticated {
				t.Fatal(err)
			}
			return
		}
		if len(s.headers) > maxSignedHeaders || len(s.scope.AccessKeyID) > 128 || len(s.scope.Date) != 8 || len(s.scope.Region) > 32 {
			t.Fatalf("%+v", s)
		}
	})
}

func BenchmarkSigned(b *testing.B) {
	a, _ := signedFixture(Options{TTL: time.Hour})
	body := strings.Repeat("x", 1024)
	r := request(b, time.Now(), "bedrock", "http://x/bedrock/model/anthropic.claude-v2%3A0/converse", body, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.AuthenticateSigned(b.Context(), r, []byte(body)); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAuthenticateKey(t *testing.T) {
	a, _, _ := fixture(Options{})
	if p, err := a.AuthenticateKey(t.Context(), secret.New("tg_a")); err != nil || p.Key != "keys/a" {
		t.Errorf("%v, %v", p, err)
	}
	for _, key := range []secret.String{{}, secret.New("tg_z")} {
		if _, err := a.AuthenticateKey(t.Context(), key); reasonOf(err) != unauthenticated {
			t.Error(err)
		}
	}
}

// TestAuthoritySigned: AWS's SDK for Node speaks HTTP/2 and signs the host by
// its name there. The canonical form stands here as the specification has it.
func TestAuthoritySigned(t *testing.T) {
	a, s := signedFixture(Options{})
	now := time.Now().UTC()
	date := now.Format(signingTime)
	scope := SigningScope{accessKeyID, now.Format("20060102"), "us-east-1", "bedrock"}
	_, key, err := s.ResolveSigningKey(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	canonical := "POST\n/bedrock/model/a%253A0/invoke\n\n:authority:gateway:8080\nx-amz-date:" + date + "\n\n:authority;x-amz-date\n" + hexOf("{}")
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	_, _ = io.WriteString(mac, "AWS4-HMAC-SHA256\n"+date+"\n"+scope.Date+"/us-east-1/bedrock/aws4_request\n"+hexOf(canonical))
	for host, want := range map[string]llmv1.ErrorReason{"gateway:8080": ok, "elsewhere:8080": unauthenticated} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+host+"/bedrock/model/a%3A0/invoke", strings.NewReader("{}"))
		r.Header.Set("X-Amz-Date", date)
		r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+accessKeyID+"/"+scope.Date+
			"/us-east-1/bedrock/aws4_request, SignedHeaders=:authority;x-amz-date, Signature="+hex.EncodeToString(mac.Sum(nil)))
		if _, err := a.AuthenticateSigned(t.Context(), r, []byte("{}")); reasonOf(err) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// Package awstest is what the fake services of AWS share: signatures that are
// checked, typed errors, and event streams.
package awstest

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The credentials that the fakes know, unless a test says otherwise.
const (
	AccessKey = "AKIDFAKE"
	Secret    = "fake-secret" //nolint:gosec // of a fake
)

// maxSkew is how far a client's clock may be off.
const maxSkew = 5 * time.Minute

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/([a-z0-9-]+)/aws4_request, ?SignedHeaders=([a-z0-9:;-]+), ?Signature=([0-9a-f]{64})$`)

// Door is who may come in.
type Door struct {
	// Service is what requests must be signed for.
	Service string
	// Secrets are the secret keys by access key.
	Secrets map[string]string
	// Bearer is the bearer key; empty takes any.
	Bearer string
	// NoBearer takes signatures only.
	NoBearer bool
}

// Check checks that a request is signed, or carries a bearer key; it returns
// the region that the signature names.
func (d Door) Check(r *http.Request, body []byte) (region string, fault *Fault) {
	header := r.Header.Get("Authorization")
	if key, ok := strings.CutPrefix(header, "Bearer "); ok && !d.NoBearer {
		if key == "" || d.Bearer != "" && key != d.Bearer {
			return "", &Fault{Status: http.StatusForbidden, Kind: "AccessDeniedException", Message: "Authentication failed: Please make sure your API Key is valid."}
		}
		return "", nil
	}
	if header == "" {
		return "", &Fault{Status: http.StatusForbidden, Kind: "MissingAuthenticationTokenException", Message: "Missing Authentication Token"}
	}
	m := authorization.FindStringSubmatch(header)
	if m == nil {
		return "", &Fault{Status: http.StatusForbidden, Kind: "IncompleteSignatureException", Message: "Authorization header is not well formed"}
	}
	access, day, service, signed, signature := m[1], m[2], m[4], strings.Split(m[5], ";"), m[6]
	secret, known := d.Secrets[access]
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	switch sent := r.Header.Get("X-Amz-Content-Sha256"); {
	case !known:
		return "", &Fault{Status: http.StatusForbidden, Kind: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
	case service != d.Service || err != nil || at.Format("20060102") != day:
		return "", &Fault{Status: http.StatusForbidden, Kind: "InvalidSignatureException", Message: "Credential should be scoped to correct service: '" + d.Service + "'."}
	case time.Since(at).Abs() > maxSkew:
		return "", &Fault{Status: http.StatusForbidden, Kind: "InvalidSignatureException", Message: "Signature expired: " + r.Header.Get("X-Amz-Date")}
	case !slices.Contains(signed, "host") && !slices.Contains(signed, authority) || !slices.Contains(signed, "x-amz-date") || !slices.IsSorted(signed):
		return "", &Fault{Status: http.StatusForbidden, Kind: "IncompleteSignatureException", Message: "'Host' and 'X-Amz-Date' must be signed"}
	case sent != "" && sent != hash:
		return "", &Fault{Status: http.StatusForbidden, Kind: "InvalidSignatureException", Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	want, err := sign(r, signed, aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, hash, service, m[3], at)
	if err != nil || subtle.ConstantTimeCompare([]byte(want), []byte(signature)) != 1 {
		return "", &Fault{Status: http.StatusForbidden, Kind: "InvalidSignatureException", Message: "The request signature we calculated does not match the signature you provided."}
	}
	return m[3], nil
}

// authority is the host's name in HTTP/2, by which some SDKs sign it there.
const authority = ":authority"

// sign signs what the client says it signed, and nothing else.
func sign(r *http.Request, names []string, who aws.Credentials, hash, service, region string, at time.Time) (string, error) {
	if slices.Contains(names, authority) {
		return signHTTP2(r, names, who, hash, service, region, at), nil
	}
	again := &http.Request{Method: r.Method, URL: r.URL, Host: r.Host, Header: http.Header{}}
	address := *r.URL
	address.Scheme, address.Host = "http", r.Host
	again.URL = &address
	for _, name := range names {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	if err := v4.NewSigner().SignHTTP(context.Background(), who, again, hash, service, region, at); err != nil {
		return "", err
	}
	_, signature, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return signature, nil
}

package awstest

import (
	"io"
	"net/http"
)

// HTTPClient is what AWS's Go SDK should use in tests. The SDK closes a
// request's body as soon as the response begins; if net/http is then about to
// look for the body's end, the SDK's body answers its WriteTo with io.EOF,
// which is an error there, and the connection is closed under the response. A
// server on the same machine is fast enough for that to happen once in some
// thousand calls. Without WriteTo the body's Read is asked, which is sound.
func HTTPClient() *http.Client { return Over(http.DefaultTransport) }

// Over is HTTPClient on another transport, such as that of a test's TLS server.
func Over(next http.RoundTripper) *http.Client { return &http.Client{Transport: steady{next}} }

type steady struct{ next http.RoundTripper }

// RoundTrip hides the body's WriteTo.
func (s steady) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		again := *r
		again.Body = struct{ io.ReadCloser }{r.Body}
		r = &again
	}
	return s.next.RoundTrip(r)
}

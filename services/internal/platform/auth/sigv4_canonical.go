package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// signature is what the Authorization header of a signed request says.
type signature struct {
	scope   SigningScope
	time    string   // of the header x-amz-date
	headers []string // lower case, rising
	sum     [sha256.Size]byte
}

// parseSignature reads "AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…".
func parseSignature(h http.Header) (*signature, error) {
	malformed := errSignature("the Authorization header is not of the form " + signingAlgorithm +
		" Credential=…, SignedHeaders=…, Signature=…")
	algorithm, rest, _ := strings.Cut(h.Get("Authorization"), " ")
	if algorithm != signingAlgorithm || len(h.Values("Authorization")) > 1 {
		return nil, malformed
	}
	fields := make(map[string]string, 3)
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, again := fields[name]; !ok || again || len(fields) == 3 {
			return nil, malformed
		}
		fields[name] = value
	}
	s := &signature{time: h.Get("X-Amz-Date"), headers: strings.Split(fields["SignedHeaders"], ";")}
	sum, err := hex.DecodeString(fields["Signature"])
	if err != nil || copy(s.sum[:], sum) != len(s.sum) || len(sum) != len(s.sum) {
		return nil, malformed
	}
	var ok bool
	if s.scope, ok = parseScope(fields["Credential"]); !ok {
		return nil, malformed
	}
	return s, s.checkHeaders()
}

// parseScope reads ID/DATE/REGION/SERVICE/aws4_request.
func parseScope(text string) (SigningScope, bool) {
	parts := strings.Split(text, "/")
	if len(parts) != 5 || parts[4] != "aws4_request" || !wordOf(parts[0], 16, 128) || !digits(parts[1], 8) {
		return SigningScope{}, false
	}
	for _, part := range parts[2:4] {
		if part == "" || len(part) > 32 || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return SigningScope{}, false
		}
	}
	return SigningScope{AccessKeyID: parts[0], Date: parts[1], Region: parts[2], Service: parts[3]}, true
}

func digits(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789") == ""
}

func wordOf(text string, shortest, longest int) bool {
	for i := range len(text) {
		if c := text[i]; !unreserved(c) || strings.IndexByte("-.~", c) >= 0 {
			return false
		}
	}
	return len(text) >= shortest && len(text) <= longest
}

// checkHeaders makes sure that what must be signed is.
func (s *signature) checkHeaders() error {
	for i, name := range s.headers {
		if i >= maxSignedHeaders || i > 0 && s.headers[i-1] >= name || name != strings.ToLower(name) {
			return errSignature("SignedHeaders must list each header once, in lower case and in rising order")
		}
	}
	// Over HTTP/2, some clients sign the host by its name there.
	if !slices.Contains(s.headers, "host") && !slices.Contains(s.headers, ":authority") {
		return errSignature("the header host must be signed")
	}
	if !slices.Contains(s.headers, "x-amz-date") {
		return errSignature("the header x-amz-date must be signed")
	}
	return nil
}

// sign computes what the signature of the request should be. See
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (s *signature) sign(r *http.Request, payload, key []byte) []byte {
	buffer := s.appendCanonical(make([]byte, 0, 1024), r, payload)
	request := sha256.Sum256(buffer)
	buffer = append(append(buffer[:0], signingAlgorithm...), '\n')
	buffer = append(append(buffer, s.time...), '\n')
	for _, part := range []string{s.scope.Date, "/", s.scope.Region, "/", s.scope.Service, "/aws4_request\n"} {
		buffer = append(buffer, part...)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(hex.AppendEncode(buffer, request[:]))
	return mac.Sum(nil)
}

// appendCanonical appends the canonical form of a request.
func (s *signature) appendCanonical(b []byte, r *http.Request, payload []byte) []byte {
	b = append(append(b, r.Method...), '\n')
	// The path is encoded a second time on top of how it came: all services
	// but S3 do so, and the SDKs with them.
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	b = append(appendEncoded(b, path, '/'), '\n')
	b = append(appendQuery(b, r.URL.RawQuery), '\n')
	for _, name := range s.headers {
		b = append(append(b, name...), ':')
		b = append(appendValues(b, r, name), '\n')
	}
	b = append(b, '\n')
	for i, name := range s.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, name...)
	}
	return append(append(b, '\n'), payload...)
}

// appendValues appends the values of a header, spaces folded. net/http keeps
// two of the headers elsewhere.
func appendValues(b []byte, r *http.Request, name string) []byte {
	values := r.Header.Values(name)
	switch {
	case name == "host", name == ":authority":
		values = []string{r.Host}
	case name == "content-length" && len(values) == 0:
		values = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendFolded(b, value)
	}
	return b
}

// appendFolded appends a value without blanks at its ends, and with one space
// where several blanks stood.
func appendFolded(b []byte, value string) []byte {
	value = strings.Trim(value, " \t")
	for i := range len(value) {
		blank := value[i] == ' ' || value[i] == '\t'
		switch {
		case !blank:
			b = append(b, value[i])
		case value[i-1] != ' ' && value[i-1] != '\t':
			b = append(b, ' ')
		}
	}
	return b
}

// appendQuery appends the parameters, each encoded anew, in the order of their
// encoded forms.
func appendQuery(b []byte, raw string) []byte {
	if raw == "" {
		return b
	}
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		if part != "" {
			name, value, _ := strings.Cut(part, "=")
			pairs = append(pairs, [2]string{recoded(name), recoded(value)})
		}
	}
	slices.SortFunc(pairs, func(x, y [2]string) int {
		return slices.Compare(x[:], y[:])
	})
	for i, pair := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = append(append(append(b, pair[0]...), '='), pair[1]...)
	}
	return b
}

// recoded brings a part of a query into the canonical encoding. What cannot be
// decoded is encoded as it stands, and then no client has signed it so.
func recoded(part string) string {
	if plain, err := url.PathUnescape(part); err == nil {
		part = plain
	}
	return string(appendEncoded(nil, part, 0))
}

const upperHex = "0123456789ABCDEF"

// appendEncoded percent-encodes all but unreserved characters and one more.
func appendEncoded(b []byte, text string, keep byte) []byte {
	for i := range len(text) {
		if c := text[i]; unreserved(c) || c == keep && keep != 0 {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// unreserved are the characters that RFC 3986 never encodes.
func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '_' || c == '.' || c == '~'
}

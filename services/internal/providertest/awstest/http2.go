package awstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// signHTTP2 signs a request whose host goes by its name in HTTP/2, which the
// SDK's own signer for Go never does.
func signHTTP2(r *http.Request, names []string, who aws.Credentials, hash, service, region string, at time.Time) string {
	var headers strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case authority, "host":
			value = r.Host
		case "content-length": // the server keeps it apart from the others
			value = strconv.FormatInt(r.ContentLength, 10)
		}
		headers.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	// The path is escaped once more than it is sent.
	path := strings.ReplaceAll(r.URL.EscapedPath(), "%", "%25")
	canonical := strings.Join([]string{r.Method, path, r.URL.RawQuery, headers.String(), strings.Join(names, ";"), hash}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	day := at.Format("20060102")
	scope := day + "/" + region + "/" + service + "/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + at.Format("20060102T150405Z") + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + who.SecretAccessKey)
	for _, step := range []string{day, region, service, "aws4_request", text} {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(step))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

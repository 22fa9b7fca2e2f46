package sagemaker

import (
	"bytes"
	"net/http"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

// container stands between the container and the client: an error of the
// container becomes a ModelError, a stream goes out in parts.
type container struct {
	http.ResponseWriter
	parts *parts // nil: not streamed

	status int
	failed bytes.Buffer // the body of an error
}

// WriteHeader begins the answer, unless it is an error.
func (c *container) WriteHeader(status int) {
	c.status = status
	switch {
	case status != http.StatusOK:
	case c.parts != nil:
		c.Header().Set("X-Amzn-Sagemaker-Content-Type", c.Header().Get("Content-Type"))
		c.Header().Set("X-Amzn-Invoked-Production-Variant", "AllTraffic")
		c.Header().Set("Content-Type", awstest.ContentType)
		c.Header().Del("Content-Length")
		c.ResponseWriter.WriteHeader(status)
		c.parts.begin(c.ResponseWriter)
	default:
		c.ResponseWriter.WriteHeader(status)
	}
}

// Write takes a piece of the container's answer.
func (c *container) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.WriteHeader(http.StatusOK)
	}
	switch {
	case c.status != http.StatusOK:
		return c.failed.Write(p)
	case c.parts != nil:
		return c.parts.write(p)
	}
	return c.ResponseWriter.Write(p)
}

// Flush sends what was written; errors are not sent before they are whole.
func (c *container) Flush() {
	if c.status == http.StatusOK {
		_ = http.NewResponseController(c.ResponseWriter).Flush()
	}
}

// finish ends the answer.
func (c *container) finish() {
	if c.status == 0 || c.status == http.StatusOK {
		return
	}
	c.Header().Del("Content-Length")
	(&awstest.Fault{
		Status: http.StatusFailedDependency, Kind: "ModelError",
		Message: "Received client error from primary with message \"" + c.failed.String() + "\".",
		Members: map[string]any{
			"OriginalStatusCode": c.status, "OriginalMessage": c.failed.String(),
			"LogStreamArn": "arn:aws:logs:eu-central-1:" + account + ":log-group:/aws/sagemaker/Endpoints/fake",
		},
	}).Write(c.ResponseWriter)
}

// misbehaveAt is before which piece of the container's answer its stream misbehaves.
const misbehaveAt = 4

// parts cuts what it is given anywhere, and sends each part as a message.
type parts struct {
	host  *providertest.Host
	r     *http.Request
	model string

	out   *awstest.Messages
	count int
	ended bool
}

func (p *parts) begin(w http.ResponseWriter) { p.out = awstest.Wrap(w) }

func (p *parts) write(body []byte) (int, error) {
	if p.count++; p.count == misbehaveAt && inStream[providertest.Behaviour(p.model)] {
		p.ended = p.ended || !p.misbehave()
	}
	if p.ended {
		return len(body), nil
	}
	// The first cut wanders, so that in time it falls everywhere.
	first := min(len(body), 1+p.count*7%(len(body)+1))
	for _, part := range [][]byte{body[:first], body[first:]} {
		if len(part) > 0 {
			p.out.Bytes("PayloadPart", part)
		}
	}
	return len(body), nil
}

// misbehave does what the endpoint is named for; false if the stream ends with it.
func (p *parts) misbehave() bool {
	if providertest.Behaviour(p.model) == InternalStream {
		p.out.Exception("InternalStreamFailure", map[string]any{"Message": providertest.LeakyText})
		return false
	}
	return p.out.Midway(p.host, p.r, p.model, "PayloadPart", func() {
		p.out.Exception("ModelStreamError", map[string]any{"Message": providertest.LeakyText, "ErrorCode": "ModelInvocationTimeExceeded"})
	})
}

package upstream

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/tollgate/tollgate/services/router/internal/fault"
)

// InjectsFaults implements fault.Injectable for the adapters that embed a Client.
func (*Client) InjectsFaults() {}

// roundTrip makes one exchange. While a drill runs, this is where its faults
// come in: below everything that must cope with them.
func (c *Client) roundTrip(r *http.Request) (*http.Response, error) {
	plan := fault.FromContext(r.Context())
	if plan == nil {
		return c.transport.RoundTrip(r)
	}
	s, ok := plan.Strike(time.Now())
	if !ok {
		return c.transport.RoundTrip(r)
	}
	return c.strike(r, plan, s)
}

// strike makes an exchange that a drill hits. Whoever still waits on the fault
// when it ends is let through to the target.
func (c *Client) strike(r *http.Request, plan *fault.Plan, s fault.Strike) (*http.Response, error) {
	ctx := r.Context()
	trace.SpanFromContext(ctx).AddEvent("fault injected", trace.WithAttributes(attribute.String("tollgate.fault", s.Name)))
	wait := s.Latency
	if s.Blackhole {
		wait = math.MaxInt64
	}
	if wait > 0 {
		if err := plan.Sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
	if !plan.Active(time.Now()) {
		return c.transport.RoundTrip(r)
	}
	if s.Status != 0 {
		return injected(r, s), nil
	}
	resp, err := c.transport.RoundTrip(r)
	if err == nil && s.Cut != nil {
		resp.Body = &severed{ReadCloser: resp.Body, plan: plan, cut: *s.Cut}
	}
	return resp, err
}

// injectedBody is what an injected status says, in no provider's format.
const injectedBody = `{"error":{"message":"injected by a drill","type":"injected_fault"}}`

func injected(r *http.Request, s fault.Strike) *http.Response {
	header := http.Header{"Content-Type": {jsonBody}}
	if s.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(s.RetryAfter.Seconds()))))
	}
	return &http.Response{
		Status: strconv.Itoa(s.Status) + " " + http.StatusText(s.Status), StatusCode: s.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte(injectedBody))), ContentLength: int64(len(injectedBody)),
	}
}

// severed is a body that breaks off, unless the faults end before it does.
type severed struct {
	io.ReadCloser
	plan *fault.Plan
	cut  fault.Cut
	read int64
}

// Read implements io.Reader.
func (s *severed) Read(p []byte) (int, error) {
	if s.cut.Bytes == 0 && s.cut.Events > 0 {
		return s.ReadCloser.Read(p)
	}
	left := s.cut.Bytes - s.read
	if left <= 0 && s.plan.Active(time.Now()) {
		return 0, io.ErrUnexpectedEOF
	}
	if left > 0 && int64(len(p)) > left {
		p = p[:left]
	}
	n, err := s.ReadCloser.Read(p)
	s.read += int64(n)
	return n, err
}

// severedFrames are the frames of a body that breaks off behind some of them.
type severedFrames struct {
	Frames
	body *severed
	seen int
}

// Next implements Frames.
func (f *severedFrames) Next() ([]byte, error) {
	if f.seen >= f.body.cut.Events && f.body.plan.Active(time.Now()) {
		return nil, io.ErrUnexpectedEOF
	}
	f.seen++
	return f.Frames.Next()
}

// frames cuts a stream into frames: all of them, or, if a drill says so, the
// first few.
func (f Format) frames(resp *http.Response, src io.Reader) Frames {
	frames := f.Frames(src)
	if body, ok := resp.Body.(*severed); ok && body.cut.Events > 0 {
		return &severedFrames{Frames: frames, body: body}
	}
	return frames
}

var _ fault.Injectable = (*Client)(nil)

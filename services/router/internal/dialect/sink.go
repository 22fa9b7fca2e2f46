package dialect

import (
	"net/http"
	"sync"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Bounds of writing to a client.
const (
	// writeTimeout is how long a client may take no bytes before it counts as gone.
	writeTimeout = 60 * time.Second
	// extendEvery is how often that is put off; less often costs less.
	extendEvery = 10 * time.Second
	// maxPooled is the largest buffer that is kept for the next stream.
	maxPooled = 64 << 10
)

// buffers holds the memory that frames are written in.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Encoder writes a stream in the client's wire format. It appends to dst and
// returns it.
type Encoder interface {
	// Sources are the passages that the prompt was given; those that the text
	// refers to by their marker are cited, where the format can say so.
	Sources(sources []*llmv1.Citation)
	// Append writes a chunk.
	Append(dst []byte, c *stream.Chunk) []byte
	// End ends the stream well.
	End(dst []byte) []byte
	// Fail ends it with an error, unless it has ended.
	Fail(dst []byte, err error) []byte
}

// sink writes a stream through an encoder. What is known before the first
// content goes into headers, the rest into trailers.
type sink struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	encoder  Encoder
	media    string
	buffer   *[]byte
	extended time.Time
	opened   bool
}

var _ pipeline.Sink = (*sink)(nil)

func newSink(w http.ResponseWriter, media string, encoder Encoder) *sink {
	return &sink{
		w: w, control: http.NewResponseController(w), encoder: encoder, media: media,
		buffer: buffers.Get().(*[]byte),
	}
}

// release gives the memory back, and the connection without a deadline: the
// server does not clear it before the next request.
func (s *sink) release() {
	_ = s.control.SetWriteDeadline(time.Time{}) // a test's recorder has none
	if cap(*s.buffer) <= maxPooled {
		buffers.Put(s.buffer)
	}
	s.buffer = nil
}

// Open implements pipeline.Sink.
func (s *sink) Open(report *routerv1.RequestReport) {
	h := s.w.Header()
	h.Set("Content-Type", s.media)
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no") // a proxy in front must not gather chunks
	SetReport(h, report)
	h.Del(headerGuardrail)
	h.Set("Trailer", headerCost+", "+headerGuardrail+", "+headerRecovered)
	s.encoder.Sources(report.GetCitations())
	s.opened = true
	s.w.WriteHeader(http.StatusOK)
}

// WriteChunk implements stream.Writer.
func (s *sink) WriteChunk(c *stream.Chunk) error {
	return s.write(s.encoder.Append((*s.buffer)[:0], c))
}

// Finish implements pipeline.Sink.
func (s *sink) Finish(report *routerv1.RequestReport) error {
	err := s.write(s.encoder.End((*s.buffer)[:0]))
	setEnd(s.w.Header(), report)
	return err
}

// fail ends an open stream with an error, unless it has ended.
func (s *sink) fail(err error) {
	if errs.Is(err, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED) {
		s.w.Header().Set(headerGuardrail, "block")
	}
	_ = s.write(s.encoder.Fail((*s.buffer)[:0], err)) // the client has gone
}

// write sends frames at once.
func (s *sink) write(frames []byte) error {
	*s.buffer = frames
	if len(frames) == 0 {
		return nil
	}
	if now := time.Now(); now.Sub(s.extended) > extendEvery {
		s.extended = now
		_ = s.control.SetWriteDeadline(now.Add(writeTimeout)) // a test's recorder has none
	}
	if _, err := s.w.Write(frames); err != nil {
		return err
	}
	return s.control.Flush()
}

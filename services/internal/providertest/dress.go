package providertest

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"net"
	"net/http"
)

// dress wraps an answer for behaviours that are the same in every wire format:
// how bytes travel, not what they say. What it returns second ends the answer.
func dress(w http.ResponseWriter, behaviour string) (http.ResponseWriter, func()) {
	switch behaviour {
	case Bytewise:
		return &bytewise{w}, func() {}
	case Closing:
		w.Header().Set("Connection", "close")
	case Compressed, GzipCut:
		z := &compressed{ResponseWriter: w}
		return z, z.finish
	case CloseEnded, ClosedEarly:
		c := &closeEnded{ResponseWriter: w}
		return c, c.finish
	}
	return w, func() {}
}

// bytewise sends a byte at a time.
type bytewise struct{ http.ResponseWriter }

func (b *bytewise) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := b.ResponseWriter.Write(p[i : i+1]); err != nil {
			return i, err
		}
		b.Flush()
	}
	return len(p), nil
}

// Flush implements http.Flusher.
func (b *bytewise) Flush() { _ = http.NewResponseController(b.ResponseWriter).Flush() }

// compressed compresses what is written; a flush sends all of it.
type compressed struct {
	http.ResponseWriter
	z *gzip.Writer
}

func (c *compressed) begin() {
	if c.z == nil {
		c.Header().Set("Content-Encoding", "gzip")
		c.z = gzip.NewWriter(c.ResponseWriter)
	}
}

// WriteHeader implements http.ResponseWriter.
func (c *compressed) WriteHeader(status int) {
	c.begin()
	c.ResponseWriter.WriteHeader(status)
}

func (c *compressed) Write(p []byte) (int, error) {
	c.begin()
	return c.z.Write(p)
}

// Flush implements http.Flusher.
func (c *compressed) Flush() {
	if c.z != nil {
		_ = c.z.Flush()
	}
	_ = http.NewResponseController(c.ResponseWriter).Flush()
}

func (c *compressed) finish() {
	if c.z != nil {
		_ = c.z.Close()
	}
}

// closeEnded answers as servers did before HTTP/1.1: without a length, and
// without chunks.
type closeEnded struct {
	http.ResponseWriter
	conn net.Conn
	buf  *bufio.Writer
}

// WriteHeader implements http.ResponseWriter.
func (c *closeEnded) WriteHeader(status int) {
	if c.conn != nil {
		return
	}
	c.conn = hijack(c.ResponseWriter)
	c.buf = bufio.NewWriter(c.conn)
	_, _ = fmt.Fprintf(c.buf, "HTTP/1.1 %d %s\r\nConnection: close\r\n", status, http.StatusText(status))
	_ = c.Header().Write(c.buf)
	_, _ = c.buf.WriteString("\r\n")
}

func (c *closeEnded) Write(p []byte) (int, error) {
	c.WriteHeader(http.StatusOK)
	return c.buf.Write(p)
}

// Flush implements http.Flusher.
func (c *closeEnded) Flush() {
	if c.buf != nil {
		_ = c.buf.Flush()
	}
}

func (c *closeEnded) finish() {
	if c.conn != nil {
		c.Flush()
		_ = c.conn.Close()
	}
}

package providertest

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// dripEvery is the time between two bytes of DrippedHeaders.
const dripEvery = 20 * time.Millisecond

// hijack takes the connection over. A client that speaks HTTP/2 gets its stream
// reset instead of what was to follow.
func hijack(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return conn
}

// reset ends the connection as a machine does that has lost its memory of it.
func reset(w http.ResponseWriter) {
	conn := hijack(w)
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}

// drip sends headers a byte at a time until the client has gone.
func (h *Host) drip(w http.ResponseWriter) {
	conn := hijack(w)
	defer func() { _ = conn.Close() }()
	text := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Padding: " + strings.Repeat("drip ", 10_000)
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil || h.stopping.Err() != nil {
			return
		}
		time.Sleep(dripEvery)
	}
}

// endlessHeaders sends headers as long as the client takes them.
func endlessHeaders(w http.ResponseWriter) {
	conn := hijack(w)
	defer func() { _ = conn.Close() }()
	_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
	line := "X-Padding: " + strings.Repeat("x", 1000) + "\r\n"
	for err == nil {
		_, err = io.WriteString(conn, line)
	}
}

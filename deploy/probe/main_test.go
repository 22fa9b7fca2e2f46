package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// server speaks as a gRPC server does: HTTP/2 without TLS, the status in a trailer.
func server(t *testing.T, message []byte, status string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	s := &http.Server{Protocols: &h2c, ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ProtoMajor != 2 || r.URL.Path != "/grpc.health.v1.Health/Check" || string(body) != "\x00\x00\x00\x00\x00" {
			status = "13"
		}
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Trailer", "Grpc-Status")
		_, _ = w.Write(message)
		w.Header().Set("Grpc-Status", status)
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return l.Addr().String()
}

func TestCheck(t *testing.T) {
	tests := map[string]struct {
		message []byte
		status  string
		ok      bool
	}{
		"serving":     {[]byte{0, 0, 0, 0, 2, 8, 1}, "0", true},
		"not serving": {[]byte{0, 0, 0, 0, 2, 8, 2}, "0", false},
		"unknown":     {[]byte{0, 0, 0, 0, 0}, "0", false},
		"error":       {nil, "12", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			if err := run(ctx, []string{server(t, tt.message, tt.status)}); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	for _, args := range [][]string{{addr}, {}, {"a", "b"}} {
		if err := run(t.Context(), args); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// Command probe asks a gRPC server on this machine for its health and exits
// with 0 if it serves. The image has neither a shell nor curl; this is all that
// its health check needs, in the standard library alone.
//
//	probe 127.0.0.1:9090
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("want one address: probe host:port")
	}
	return check(ctx, args[0])
}

// check calls grpc.health.v1.Health/Check for the whole server. The request is
// an empty message; the answer of a server that serves is field 1 with value 1.
func check(ctx context.Context, addr string) error {
	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	client := http.Client{Transport: &http.Transport{Protocols: &h2c}}
	defer client.CloseIdleConnections()
	body, send := io.Pipe()
	go func() {
		_, err := send.Write(make([]byte, 5)) // not compressed, length 0
		send.CloseWithError(err)
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/grpc.health.v1.Health/Check", body)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	status := resp.Trailer.Get("Grpc-Status")
	if status == "" {
		status = resp.Header.Get("Grpc-Status") // an error without a message
	}
	if status != "0" {
		return fmt.Errorf("status %q", status)
	}
	if len(answer) < 7 || answer[5] != 0x08 || answer[6] != 1 {
		return errors.New("not serving")
	}
	return nil
}

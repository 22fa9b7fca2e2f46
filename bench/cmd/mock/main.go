// Command mock is a provider on loopback that speaks the OpenAI wire format and
// costs next to nothing: what a gateway is measured against.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/tollgate/tollgate/bench/internal/loopback"
	"github.com/tollgate/tollgate/bench/internal/mock"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "mock:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("mock", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9100", "loopback address; port 0 takes a free one")
	words := flags.Int("words", 50, "words of the answer; streamed, each is a chunk")
	pace := flags.Duration("pace", 10*time.Millisecond, "time between two chunks; 0 for none")
	delay := flags.Duration("delay", 0, "time before the first byte")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read flags: %w", err)
	}
	handler, err := mock.New(mock.Config{Words: *words, Pace: *pace, Delay: *delay})
	if err != nil {
		return err
	}
	l, err := loopback.Listen(*addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	fmt.Fprintf(stdout, "http://%s/v1\n", l.Addr())
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

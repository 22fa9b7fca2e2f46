// Command load measures OpenAI-compatible gateways on loopback, in turn and in
// one run: requests a second, latency, time to first token, and the CPU time
// and memory of the gateway's own processes.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tollgate/tollgate/bench/internal/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

var errFailed = errors.New("some requests failed or were answered otherwise; the figures above are not valid")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var gateways []load.Gateway
	var p load.Plan
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Func("gateway", "name=…,url=http://127.0.0.1:PORT/v1[,pid=N[+N]][,model=…][,key_env=VAR|key_file=PATH]; repeat it, the direct way first", func(spec string) error {
		g, err := load.ParseGateway(spec, os.Getenv)
		gateways = append(gateways, g)
		return err
	})
	modes := flags.String("mode", "both", "chat, stream or both")
	flags.IntVar(&p.Clients, "c", 16, "clients that send at the same time")
	flags.Float64Var(&p.Rate, "rate", 0, "requests begun a second; 0 is a closed loop")
	flags.IntVar(&p.Requests, "n", 2000, "requests a round, at most")
	flags.DurationVar(&p.Duration, "d", 30*time.Second, "length of a round, at most")
	flags.IntVar(&p.Rounds, "rounds", 3, "rounds; in each every gateway has its turn")
	flags.IntVar(&p.Warmup, "warmup", 200, "requests before each round that are not measured")
	flags.IntVar(&p.PromptBytes, "prompt", 200, "bytes of the question")
	flags.StringVar(&p.Model, "model", "mock", "model to ask for")
	flags.DurationVar(&p.Timeout, "timeout", time.Minute, "most time for one request")
	jsonFile := flags.String("json", "", "write the report as JSON to this file; - for standard output instead of the table")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("read flags: %w", err)
	}
	if *modes == "both" {
		*modes = "chat,stream"
	}
	for _, m := range strings.Split(*modes, ",") {
		p.Modes = append(p.Modes, load.Mode(m))
	}
	report, err := load.Run(ctx, p, gateways, func(mode load.Mode, round int, name string, perSecond float64, failed int64) {
		fmt.Fprintf(stderr, "%s round %d: %s %.0f requests/s, %d errors\n", mode, round, name, perSecond, failed)
	})
	if err != nil {
		return err
	}
	if err := write(report, *jsonFile, stdout); err != nil {
		return err
	}
	if report.Failed() {
		return errFailed
	}
	return nil
}

func write(report *load.Report, file string, stdout io.Writer) error {
	if file != "-" {
		if err := report.WriteText(stdout); err != nil {
			return err
		}
	}
	if file == "" {
		return nil
	}
	b, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	b = append(b, '\n')
	if file == "-" {
		_, err = stdout.Write(b)
	} else {
		err = os.WriteFile(file, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

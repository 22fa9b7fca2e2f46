// Package cli holds the commands of the tollgate binary, one file each.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"
)

// commands is the command line. A field is a command or a group of them.
type commands struct {
	Serve  serveCommand  `cmd:"" help:"Run all four services in this process, or one of them."`
	Demo   demoCommand   `cmd:"" help:"Run everything on a free port and show one request from end to end."`
	Chat   chatCommand   `cmd:"" help:"Ask a running Tollgate something and stream the answer."`
	Keys   keysCommands  `cmd:"" help:"Create, list and revoke virtual keys."`
	Rag    ragCommands   `cmd:"" help:"Ingest documents and search them."`
	Route  routeCommands `cmd:"" help:"Say where a request would go, and why."`
	Usage  usageCommands `cmd:"" help:"Report usage and cost from the ledger."`
	Drill  drillCommand  `cmd:"" help:"Make targets fail on purpose, and report how the gateway copes."`
	Config configCommand `cmd:"" help:"Check a configuration file."`

	Healthcheck healthcheckCommand `cmd:"" help:"Ask a gRPC server for its health, for container health checks."`
}

// environment is what a command gets of the world.
type environment struct {
	ctx    context.Context
	stdout io.Writer
	stderr io.Writer
}

// Run runs the command that args name. Only main turns its error into an exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var exited bool
	var line commands
	parser, err := kong.New(&line,
		kong.Name("tollgate"),
		kong.Description("A self-hosted gateway between an organisation's software and the AI models it uses."),
		kong.UsageOnError(),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { exited = true }),
	)
	if err != nil {
		return fmt.Errorf("build command line: %w", err)
	}
	parsed, err := parse(parser, args)
	if exited { // --help was printed
		return nil
	}
	if err != nil {
		return err
	}
	return parsed.Run(&environment{ctx: ctx, stdout: stdout, stderr: stderr})
}

// parse shows the help of the command at hand when no or half a command is given.
func parse(parser *kong.Kong, args []string) (*kong.Context, error) {
	parsed, err := parser.Parse(args)
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && len(args) == 0 {
		_ = wrong.Context.PrintUsage(false)
		return nil, errors.New("name a command")
	}
	return parsed, err
}

package cli

import (
	"fmt"

	"github.com/tollgate/tollgate/services/internal/app"
)

// serveCommand runs the services.
type serveCommand struct {
	Service        string `arg:"" optional:"" enum:"all,router,guardrail,rag,billing" default:"all" help:"The service to run: router, guardrail, rag or billing; all by default."`
	Config         string `help:"Configuration file; without one the embedded defaults hold." type:"existingfile"`
	InsecureListen bool   `help:"Allow plain text on addresses other than loopback, because something in front adds TLS."`
}

// Run serves until a signal comes.
func (c *serveCommand) Run(env *environment) error {
	cfg, err := app.LoadConfig(c.Config)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if c.InsecureListen {
		cfg.ListenBeyondLoopback()
	}
	var services []string
	if c.Service != "all" {
		services = []string{c.Service}
	}
	a, err := app.New(env.ctx, app.Options{Config: cfg, ConfigPath: c.Config, Services: services, Stdout: env.stdout, LogWriter: env.stderr})
	if err != nil {
		return err
	}
	if addr := a.HTTPAddr(); addr != "" {
		fmt.Fprintf(env.stdout, "Tollgate listens on http://%s\n", addr)
	}
	for _, service := range []string{app.Router, app.Guardrail, app.RAG, app.Billing} {
		if addr := a.GRPCAddr(service); addr != "" {
			fmt.Fprintf(env.stdout, "  %-9s gRPC %s\n", service, addr)
		}
	}
	return a.Run(env.ctx)
}

package cli

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// healthcheckCommand asks a gRPC server for its health. A container image has
// neither a shell nor curl, so the binary checks itself.
type healthcheckCommand struct {
	Addr    string        `arg:"" help:"Address of the gRPC server, host:port, plain text."`
	Timeout time.Duration `help:"How long to wait for the answer." default:"3s"`
}

// Run fails unless the server serves.
func (c *healthcheckCommand) Run(env *environment) error {
	ctx, cancel := context.WithTimeout(env.ctx, c.Timeout)
	defer cancel()
	conn, err := grpc.NewClient(c.Addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", c.Addr, err)
	}
	defer conn.Close()
	health, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.Addr, err)
	}
	if health.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s is %s", c.Addr, health.GetStatus())
	}
	return nil
}

package cli

import "github.com/tollgate/tollgate/services/internal/demo"

// demoCommand plays the demo.
type demoCommand struct{}

// Run fails if anything that the demo shows does not hold.
func (c *demoCommand) Run(env *environment) error { return demo.Run(env.ctx, env.stdout) }

package cli

import (
	"fmt"

	"github.com/tollgate/tollgate/services/internal/app"
)

// configCommand works on configuration files.
type configCommand struct {
	Check configCheck `cmd:"" help:"Check a file and report every fault in it."`
}

type configCheck struct {
	File string `arg:"" type:"existingfile" help:"The file."`
}

// Run reports all faults at once, or that there are none.
func (c *configCheck) Run(env *environment) error {
	if _, err := app.LoadConfig(c.File); err != nil {
		return fmt.Errorf("%s:\n%w", c.File, err)
	}
	fmt.Fprintf(env.stdout, "%s is valid\n", c.File)
	return nil
}

package app

import (
	"context"
	"fmt"
	"log/slog"
)

// closers ends what was built, the last first.
type closers struct {
	list []closer
}

type closer struct {
	name string
	end  func(context.Context) error
}

func (c *closers) add(name string, end func(context.Context) error) {
	c.list = append(c.list, closer{name, end})
}

// close ends everything and logs what fails; the first error is returned.
func (c *closers) close(ctx context.Context, log *slog.Logger) error {
	var first error
	for i := len(c.list) - 1; i >= 0; i-- {
		if err := c.list[i].end(ctx); err != nil {
			log.ErrorContext(ctx, "close failed", "part", c.list[i].name, "err", err)
			if first == nil {
				first = fmt.Errorf("close %s: %w", c.list[i].name, err)
			}
		}
	}
	c.list = nil
	return first
}

package provider

import "context"

// Prober is an Adapter that can find out cheaply whether its provider works:
// without asking a model, and without cost.
type Prober interface {
	// Probe asks for the models that there are, or for one of them alone by the
	// target's own name of it. Its errors are those of an Adapter.
	Probe(ctx context.Context, model string) error
}

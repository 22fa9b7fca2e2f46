package route

import (
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/jurisdiction"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// Deployment is a model on one of a route's targets.
type Deployment struct {
	Target *target.Target
	// Model is the target's own name of the model; empty if it does not list it.
	Model string
	// Known is what the catalogue knows of the model; nil if nothing.
	Known *catalog.Model

	ref     int             // index in Route.Targets
	home    string          // the jurisdiction of the target's region
	name    uint64          // hash of target and model as the route names them
	monitor *health.Monitor // nil if nobody watches
	rate    Rate            // nil if its price must be asked for each time

	instructed bool // the operator's instructions are added to a conversation
}

// Tokenizer names what counts the tokens of the model.
func (d *Deployment) Tokenizer() string {
	if d.Known != nil && d.Known.Tokenizer != "" {
		return d.Known.Tokenizer
	}
	return tokens.Tokenizer(d.Model)
}

// Monitor watches the model on its target; nil if nobody does.
func (d *Deployment) Monitor() *health.Monitor { return d.monitor }

// Place is its place in the route's list.
func (d *Deployment) Place() int { return d.ref }

// deploy makes the i-th deployment of the route, with its model if that is the
// same for all requests.
func (e *Entry) deploy(i int, t *target.Target) Deployment {
	ref := e.Targets[i]
	d := Deployment{
		Target: t, ref: i, home: jurisdiction.Of(t.Region), name: uint64(hash(0).text(ref.Name).text(ref.Model)),
		instructed: e.Instructions.For(t.Provider) != "",
	}
	model, ok := t.Models.Upstream(e.nameAt(ref))
	if !ok || model == "" {
		return d
	}
	d.Model, d.Known = model, e.world.Models.Find(model)
	if t.Monitors != nil {
		d.monitor = t.Monitors.Keep(model)
	}
	if e.world.Prices != nil {
		d.rate = e.world.Prices.Of(t.Provider, model, t.Region)
	}
	return d
}

// deployment is the i-th, with the model that a client asks for; it lives as
// long as the decision.
func (e *Entry) deployment(i int, d *Decision) *Deployment {
	fixed := &e.deployments[i]
	if fixed.Model != "" || e.Targets[i].Model != "" {
		return fixed
	}
	model, ok := fixed.Target.Models.Upstream(d.question.Model)
	if !ok {
		return fixed
	}
	if cap(d.found) == 0 {
		d.found = make([]Deployment, 0, len(e.deployments))
	}
	d.found = append(d.found, *fixed)
	found := &d.found[len(d.found)-1]
	found.Model, found.Known = model, e.world.Models.Find(model)
	if found.Target.Monitors != nil {
		found.monitor = found.Target.Monitors.Of(model)
	}
	return found
}

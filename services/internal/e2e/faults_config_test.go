package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/internal/providertest/bedrock"
	"github.com/tollgate/tollgate/services/internal/providertest/gemini"
)

// dialects are the wire formats of providers in the suite.
var dialects = []string{"openai", "anthropic", "gemini", "bedrock"}

// crossings say in which other dialects clients ask, and of which providers.
var crossings = []struct{ client, dialect string }{
	{"openai responses", "openai"},
	{"openai responses", "anthropic"},
	{"anthropic messages", "anthropic"},
	{"anthropic messages", "openai"},
	{"gemini", "gemini"},
	{"gemini", "openai"},
	{"bedrock converse", "bedrock"},
	{"bedrock converse", "anthropic"},
}

// provider is one of the fakes.
type provider struct {
	host   *providertest.Host
	config string // what its targets have in common, as YAML
}

func newProviders(t *testing.T) map[string]*provider {
	openai, messages, google, aws := providertest.New(t), anthropic.New(t), gemini.New(t), bedrock.New(t)
	return map[string]*provider{
		"openai":    {openai.Host, fmt.Sprintf("provider: openai, base_url: %q, api_key: sk-1", openai.BaseURL())},
		"anthropic": {messages.Host, fmt.Sprintf("provider: anthropic, base_url: %q, api_key: sk-2", messages.BaseURL())},
		"gemini":    {google.Host, fmt.Sprintf("provider: gemini, base_url: %q, api_key: sk-3", google.BaseURL()+"/v1beta")},
		"bedrock": {aws.Host, fmt.Sprintf("provider: bedrock, base_url: %q, region: eu-west-1, "+
			"aws: {access_key_id: %s, secret_access_key: %s}", aws.BaseURL(), awstest.AccessKey, awstest.Secret)},
	}
}

// cells are all requests of the suite.
func cells() []*cell {
	var out []*cell
	add := func(f fault, client, dialect string) {
		for _, stream := range []bool{true, false} {
			s := f.whole
			if stream {
				s = f.stream
			}
			if s == nil {
				continue
			}
			other := dialect
			if f.elsewhere {
				other = dialects[(slices.Index(dialects, dialect)+1)%len(dialects)]
			}
			out = append(out, &cell{
				fault: f, side: *s, name: fmt.Sprintf("c%d", len(out)), client: client,
				dialect: dialect, other: other, stream: stream, expected: s.expects(dialect),
			})
		}
	}
	for _, f := range faults {
		for _, dialect := range dialects {
			if f.only == nil || slices.Contains(f.only, dialect) {
				add(f, "openai chat", dialect)
			}
		}
		for _, c := range crossings {
			if f.every && (f.only == nil || slices.Contains(f.only, c.dialect)) {
				add(f, c.client, c.dialect)
			}
		}
	}
	return out
}

// faultsConfig writes targets and routes: each cell has a target of its own, so
// that no cell sees what another has done to a breaker or a budget.
func faultsConfig(all []*cell, providers map[string]*provider) string {
	var models, targets, routes strings.Builder
	models.WriteString("router:\n  attempts: {backoff: 10ms, max_backoff: 50ms}\n  models:\n")
	targets.WriteString("targets:\n")
	routes.WriteString("routes:\n")
	for _, c := range all {
		if c.reads > 0 {
			fmt.Fprintf(&models, "    - {name: %q, context: %d}\n    - {name: %q, context: %d}\n", c.own(), tokens, c.substitute(), c.reads)
		}
		fmt.Fprintf(&targets, "  - {name: %s, %s, models: \"*\", retries: 1, timeouts: %s}\n", c.name, providers[c.dialect].config, c.timeouts())
		to := fmt.Sprintf("{name: %s, model: %q}", c.name, c.own())
		if !c.alone {
			fmt.Fprintf(&targets, "  - {name: %s-fallback, %s, models: \"*\", retries: 0, timeouts: %s}\n", c.name, providers[c.other].config, patient)
			to += fmt.Sprintf(", {name: %s-fallback, model: %q}", c.name, c.substitute())
		}
		fmt.Fprintf(&routes, "  - {model: %s, targets: [%s]}\n", c.name, to)
	}
	flapTargets, flapRoutes := flapConfig(providers)
	return models.String() + targets.String() + flapTargets + routes.String() + flapRoutes
}

// patient are timeouts that only what is broken for good meets.
const patient = "{connect: 2s, first_token: 8s, idle: 8s, total: 15s}"

func (c *cell) timeouts() string {
	if !c.hurried {
		return patient
	}
	ms := func(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }
	return fmt.Sprintf("{connect: 2s, first_token: %s, idle: %s, total: %s}", ms(hurryFirst), ms(hurryIdle), ms(hurryTotal))
}

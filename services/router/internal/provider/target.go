package provider

import (
	"fmt"
	"net/url"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/router/internal/concurrency"
	"github.com/tollgate/tollgate/services/router/internal/health"
)

// Target is a provider deployment, as it stands in the configuration.
type Target struct {
	// Name is unique; routes, the ledger and traces use it.
	Name string `yaml:"name"`
	// Provider is the kind: it chooses the adapter and the prices.
	Provider string `yaml:"provider"`
	// BaseURL is where the provider's API begins, for example
	// https://api.openai.com/v1; empty means the provider's own address.
	BaseURL string `yaml:"base_url"`
	// APIKey is our credential with the provider.
	APIKey secret.String `yaml:"api_key"`
	// APIKeyFile names a file that holds it instead; the file is read again when
	// it changes, so that the key can be rotated without a restart.
	APIKeyFile string `yaml:"api_key_file"`
	// APIVersion is the version of the provider's API, where it asks for one.
	APIVersion string `yaml:"api_version"`
	// AWS, Google and Azure are credentials of those clouds.
	AWS    AWS    `yaml:"aws"`
	Google Google `yaml:"google"`
	Azure  Azure  `yaml:"azure"`
	// Quirks are what an OpenAI-compatible server does otherwise.
	Quirks Quirks `yaml:"quirks"`
	// Models are the models that the target serves.
	Models Models `yaml:"models"`
	// Region is where the target computes; prices and residency look at it.
	Region string `yaml:"region"`
	// Residency are the jurisdictions that the target may be said to compute in;
	// empty means that of its region, if that is known.
	Residency []string `yaml:"residency"`
	// Compliance are the classes of requests that it may be given, for example
	// "regulated"; requests that need none go to any target.
	Compliance []string `yaml:"compliance"`
	// Labels are the operator's own, for the rules of routes.
	Labels map[string]string `yaml:"labels"`
	// Timeouts bound an attempt.
	Timeouts Timeouts `yaml:"timeouts"`
	// Concurrency bounds how many attempts run there at once.
	Concurrency concurrency.Config `yaml:"concurrency"`
	// Provisioned is what the target can do for a price by the hour; nil if it is
	// paid for by the token.
	Provisioned *Provisioned `yaml:"provisioned"`
	// Retries is how often a failed attempt is repeated on this target; nil means 2.
	Retries *int `yaml:"retries"`
	// Health says how its models are judged: breaker, outlier, slow_start,
	// retry_budget and health_check stand at the target itself.
	Health health.Config `yaml:",inline"`
	// Limits are what the provider grants us.
	Limits Limits `yaml:"limits"`
}

// AWS says with which credentials requests are signed. Without keys the default
// chain finds them: environment, profile, web identity, container or instance role.
type AWS struct {
	// Profile is a profile of the shared configuration files.
	Profile string `yaml:"profile"`
	// AccessKeyID, SecretAccessKey and SessionToken are static credentials.
	AccessKeyID     string        `yaml:"access_key_id"`
	SecretAccessKey secret.String `yaml:"secret_access_key"`
	SessionToken    secret.String `yaml:"session_token"`
	// RoleARN is a role to take on with them.
	RoleARN string `yaml:"role_arn"`
	// ControlURL is where the control plane is asked which models there are;
	// empty means the region's own address.
	ControlURL string `yaml:"control_url"`
}

// Google says with which credentials requests are made. Without a file the
// application default credentials are used.
type Google struct {
	// Project is the project that is billed; Vertex AI needs it.
	Project string `yaml:"project"`
	// CredentialsFile is a service account's key file, or another credential
	// configuration.
	CredentialsFile string `yaml:"credentials_file"`
}

// Azure is an application of Entra ID, asked for a token where the target has
// no key. Without a secret the default chain is used: environment, workload
// identity, managed identity.
type Azure struct {
	TenantID     string        `yaml:"tenant_id"`
	ClientID     string        `yaml:"client_id"`
	ClientSecret secret.String `yaml:"client_secret"`
}

// Quirks are what an OpenAI-compatible server does otherwise than OpenAI.
type Quirks struct {
	// MaxTokens is the member that bounds an answer: max_completion_tokens, or
	// max_tokens for servers that know only that.
	MaxTokens string `yaml:"max_tokens"`
	// NoStreamOptions is set for servers that refuse stream_options.
	NoStreamOptions bool `yaml:"no_stream_options"`
	// TopK is set for servers that take top_k.
	TopK bool `yaml:"top_k"`
	// SystemRole is the role of instructions: system, or developer.
	SystemRole string `yaml:"system_role"`
	// Reasoning is the member that says how hard to think: reasoning_effort, or
	// reasoning for servers that take an object with effort or max_tokens.
	Reasoning string `yaml:"reasoning"`
	// Thinking is the member in which the thinking of earlier turns goes back:
	// reasoning_content or reasoning_details; none for servers that refuse it,
	// which is so for OpenAI. Empty leaves what clients of the same format send.
	Thinking string `yaml:"thinking"`
	// Drop names members of the request that the server refuses: they are taken
	// out of what clients wrote.
	Drop []string `yaml:"drop"`
}

// Timeouts bound an attempt; zero takes the default.
type Timeouts struct {
	// Connect bounds dialling and the TLS handshake; 2s.
	Connect config.Duration `yaml:"connect"`
	// ResponseHeaders bounds the time until the headers of an answer have come,
	// whole; unset, as long as FirstToken for streams and as Total for others.
	// Many providers send those of an answer that is not streamed when it is finished.
	ResponseHeaders config.Duration `yaml:"response_headers"`
	// FirstToken bounds the time until the first content; 30s.
	FirstToken config.Duration `yaml:"first_token"`
	// Idle bounds the time between two chunks; 30s.
	Idle config.Duration `yaml:"idle"`
	// Total bounds the attempt; 10m.
	Total config.Duration `yaml:"total"`
}

// DefaultTimeouts are the timeouts of a target that sets none.
var DefaultTimeouts = Timeouts{
	Connect:    config.Duration(2 * time.Second),
	FirstToken: config.Duration(30 * time.Second),
	Idle:       config.Duration(30 * time.Second),
	Total:      config.Duration(10 * time.Minute),
}

// WithDefaults fills in what is zero.
func (t Timeouts) WithDefaults() Timeouts {
	fill := func(have *config.Duration, def config.Duration) {
		if *have == 0 {
			*have = def
		}
	}
	fill(&t.Connect, DefaultTimeouts.Connect)
	fill(&t.FirstToken, DefaultTimeouts.FirstToken)
	fill(&t.Idle, DefaultTimeouts.Idle)
	fill(&t.Total, DefaultTimeouts.Total)
	return t
}

// MaxAttempts is how often the target may be tried for one request.
func (t Target) MaxAttempts() int {
	if t.Retries == nil {
		return 3
	}
	return *t.Retries + 1
}

// Validate reports every fault of the target; known are the providers that have an adapter.
func (t Target) Validate(v *config.Validator, known []string) {
	if t.Name == "" {
		v.Fail("name", "is required")
	}
	if !slices.Contains(known, t.Provider) {
		v.Fail("provider", "%q is not a provider; use one of %v", t.Provider, known)
	}
	if t.BaseURL != "" {
		if u, err := url.Parse(t.BaseURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			v.Fail("base_url", "must be an http or https address, for example https://api.openai.com/v1")
		}
	}
	t.validatePlace(v)
	if t.Models.Empty() {
		v.Fail("models", `is required: a list of names, a map of alias to upstream name, or "*"`)
	}
	for name, d := range map[string]config.Duration{
		"connect": t.Timeouts.Connect, "response_headers": t.Timeouts.ResponseHeaders, "first_token": t.Timeouts.FirstToken,
		"idle": t.Timeouts.Idle, "total": t.Timeouts.Total,
	} {
		if d < 0 {
			v.Fail("timeouts."+name, "must not be negative")
		}
	}
	t.Concurrency.Validate(v.At("concurrency"))
	t.Provisioned.validate(v.At("provisioned"))
	if t.Retries != nil && (*t.Retries < 0 || *t.Retries > 10) {
		v.Fail("retries", "must be between 0 and 10")
	}
	t.Health.Validate(v)
	t.Limits.validate(v.At("limits"), t.Models)
}

// Models maps the names that routes use to the target's own names.
type Models struct {
	any   bool
	names []string
	alias map[string]string
}

// NewModels serves the given names under themselves; "*" serves any name.
func NewModels(names ...string) Models {
	m := Models{alias: make(map[string]string, len(names))}
	for _, name := range names {
		m.add(name, name)
	}
	return m
}

func (m *Models) add(name, upstream string) {
	if name == "*" {
		m.any = true
		return
	}
	if _, ok := m.alias[name]; !ok {
		m.names = append(m.names, name)
	}
	m.alias[name] = upstream
}

// Upstream returns the target's own name of a model, and whether it serves it.
func (m Models) Upstream(name string) (string, bool) {
	if upstream, ok := m.alias[name]; ok {
		return upstream, true
	}
	return name, m.any
}

// Any says whether any name is passed through.
func (m Models) Any() bool { return m.any }

// Names returns the names served, in the order of the configuration; "*" is not among them.
func (m Models) Names() []string { return m.names }

// Empty says whether nothing is served.
func (m Models) Empty() bool { return !m.any && len(m.names) == 0 }

// UnmarshalYAML reads "*", a list of names, or a map of alias to upstream name.
func (m *Models) UnmarshalYAML(node *yaml.Node) error {
	*m = NewModels()
	switch node.Kind {
	case yaml.ScalarNode:
		m.add(node.Value, node.Value)
	case yaml.SequenceNode:
		var names []string
		if err := node.Decode(&names); err != nil {
			return fmt.Errorf("read models: %w", err)
		}
		for _, name := range names {
			m.add(name, name)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			m.add(node.Content[i].Value, node.Content[i+1].Value)
		}
	default:
		return fmt.Errorf(`read models: want a list, a map or "*"`)
	}
	return nil
}

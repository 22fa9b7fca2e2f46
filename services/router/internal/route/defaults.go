package route

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Defaults are what applies where the client sets nothing, so that a fallback
// answers as the first target would have.
type Defaults struct {
	Temperature      *float64 `yaml:"temperature"`
	TopP             *float64 `yaml:"top_p"`
	TopK             *int32   `yaml:"top_k"`
	MaxOutputTokens  *int64   `yaml:"max_output_tokens"`
	Seed             *int64   `yaml:"seed"`
	PresencePenalty  *float64 `yaml:"presence_penalty"`
	FrequencyPenalty *float64 `yaml:"frequency_penalty"`
	Stop             []string `yaml:"stop"`
}

// Bounds of parameters: those of the canonical form.
const (
	maxTemperature = 2
	maxPenalty     = 2
	maxOutput      = 10_000_000
	maxStops       = 16
)

func (d *Defaults) validate(v *config.Validator) {
	within := func(name string, value *float64, low, high float64) {
		if value != nil && (*value < low || *value > high) {
			v.Fail(name, "must be from %g to %g", low, high)
		}
	}
	within("temperature", d.Temperature, 0, maxTemperature)
	within("top_p", d.TopP, 0, 1)
	within("presence_penalty", d.PresencePenalty, -maxPenalty, maxPenalty)
	within("frequency_penalty", d.FrequencyPenalty, -maxPenalty, maxPenalty)
	if d.TopK != nil && *d.TopK < 0 {
		v.Fail("top_k", "must not be negative")
	}
	if n := d.MaxOutputTokens; n != nil && (*n < 1 || *n > maxOutput) {
		v.Fail("max_output_tokens", "must be from 1 to %d", maxOutput)
	}
	if len(d.Stop) > maxStops {
		v.Fail("stop", "must not have more than %d texts", maxStops)
	}
}

// empty says whether nothing is set.
func (d *Defaults) empty() bool {
	return d.Temperature == nil && d.TopP == nil && d.TopK == nil && d.MaxOutputTokens == nil && d.Seed == nil &&
		d.PresencePenalty == nil && d.FrequencyPenalty == nil && len(d.Stop) == 0
}

// For returns what of the defaults a request takes that has its own parameters;
// nil if it takes none.
func (d *Defaults) For(own *llmv1.Sampling) *llmv1.Sampling {
	if d.empty() {
		return nil
	}
	if own == nil {
		own = &llmv1.Sampling{}
	}
	out := &llmv1.Sampling{
		Temperature:      unless(own.Temperature, d.Temperature),
		TopP:             unless(own.TopP, d.TopP),
		TopK:             unless(own.TopK, d.TopK),
		MaxOutputTokens:  unless(own.MaxOutputTokens, d.MaxOutputTokens),
		Seed:             unless(own.Seed, d.Seed),
		PresencePenalty:  unless(own.PresencePenalty, d.PresencePenalty),
		FrequencyPenalty: unless(own.FrequencyPenalty, d.FrequencyPenalty),
	}
	if len(own.GetStop()) == 0 {
		out.Stop = d.Stop
	}
	return out
}

func unless[T any](own, value *T) *T {
	if own != nil {
		return nil
	}
	return value
}

// Merge puts one set of parameters over another: what the first does not set
// is taken from the second.
func Merge(own, defaults *llmv1.Sampling) *llmv1.Sampling {
	if own == nil || defaults == nil {
		return or(own, defaults)
	}
	return &llmv1.Sampling{
		Temperature:      or(own.Temperature, defaults.Temperature),
		TopP:             or(own.TopP, defaults.TopP),
		TopK:             or(own.TopK, defaults.TopK),
		MaxOutputTokens:  or(own.MaxOutputTokens, defaults.MaxOutputTokens),
		CandidateCount:   or(own.CandidateCount, defaults.CandidateCount),
		Seed:             or(own.Seed, defaults.Seed),
		PresencePenalty:  or(own.PresencePenalty, defaults.PresencePenalty),
		FrequencyPenalty: or(own.FrequencyPenalty, defaults.FrequencyPenalty),
		Stop:             stops(own.GetStop(), defaults.GetStop()),
	}
}

func or[T any](own, value *T) *T {
	if own != nil {
		return own
	}
	return value
}

func stops(own, defaults []string) []string {
	if len(own) > 0 {
		return own
	}
	return defaults
}

// needs is what the parameters of a request need once the defaults have filled
// them up.
func (d *Defaults) needs(own *llmv1.Sampling) capability.Set {
	if d.empty() {
		return capability.None
	}
	return capability.OfSampling(Merge(own, d.For(own)))
}

// outputLimit is the most tokens that a request may be answered with; 0 if
// neither it nor the defaults say.
func (d *Defaults) outputLimit(own *llmv1.Sampling) int64 {
	if own != nil && own.MaxOutputTokens != nil {
		return own.GetMaxOutputTokens()
	}
	if d.MaxOutputTokens != nil {
		return *d.MaxOutputTokens
	}
	return 0
}

// Instructions are the operator's, by provider; "default" stands for every
// provider that has none of its own.
type Instructions map[string]string

const anyProvider = "default"

// For returns the instructions for a provider; empty if there are none.
func (in Instructions) For(provider string) string {
	if text, ok := in[provider]; ok {
		return text
	}
	return in[anyProvider]
}

// Longest returns the longest of them.
func (in Instructions) Longest() string {
	longest := ""
	for _, text := range in {
		if len(text) > len(longest) {
			longest = text
		}
	}
	return longest
}

func (in Instructions) validate(v *config.Validator, targets []provider.Target) {
	for name, text := range in {
		if strings.TrimSpace(text) == "" && text != "" {
			v.Fail(name, "holds white space only; an empty text means none for this provider")
		}
		known := name == anyProvider
		for _, t := range targets {
			known = known || t.Provider == name
		}
		if !known {
			v.Fail(name, "no target has this provider").WithHelp("name a provider, or %s for all others", anyProvider)
		}
	}
}

package route

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
)

// Cascade says which answers are good enough. Any other leads to the next
// candidate, as long as there is one.
type Cascade struct {
	// MinLength is the least that an answer's text may have, in characters.
	MinLength int `yaml:"min_length"`
	// ForbidFinish lists how an answer must not end: length, refusal,
	// content_filter.
	ForbidFinish []string `yaml:"forbid_finish"`
	// JSON demands of the answer to a request for JSON that it is some.
	JSON bool `yaml:"json"`
	// Pattern is a regular expression that must be found in the text, and Deny
	// lists such as must not.
	Pattern string   `yaml:"pattern"`
	Deny    []string `yaml:"deny"`
	// MaxBytes is how much of a stream is held back until it is judged; a longer
	// answer counts as good; 256KiB.
	MaxBytes config.Bytes `yaml:"max_bytes"`
}

const (
	defaultJudged = 256 << 10
	maxJudged     = 16 << 20
)

// finishes are the ends that a cascade may forbid.
var finishes = map[string]llmv1.FinishReason{
	"length":         llmv1.FinishReason_FINISH_REASON_LENGTH,
	"refusal":        llmv1.FinishReason_FINISH_REASON_REFUSAL,
	"content_filter": llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER,
}

// On says whether answers are judged.
func (c *Cascade) On() bool {
	return c.MinLength > 0 || len(c.ForbidFinish) > 0 || c.JSON || c.Pattern != "" || len(c.Deny) > 0
}

// Bytes is how much of a stream is held back.
func (c *Cascade) Bytes() int {
	if c.MaxBytes == 0 {
		return defaultJudged
	}
	return int(c.MaxBytes)
}

func (c *Cascade) validate(v *config.Validator) {
	if c.MinLength < 0 {
		v.Fail("min_length", "must not be negative")
	}
	for i, name := range c.ForbidFinish {
		if _, ok := finishes[name]; !ok {
			v.At("forbid_finish").Index(i).Fail("", "%q is no end that can be forbidden", name).
				WithHelp("use %s", strings.Join(slices.Sorted(maps.Keys(finishes)), ", "))
		}
	}
	check := func(at *config.Validator, path, pattern string) {
		if _, err := regexp.Compile(pattern); err != nil {
			at.Fail(path, "is not a regular expression: %v", err)
		}
	}
	check(v, "pattern", c.Pattern)
	for i, pattern := range c.Deny {
		check(v.At("deny").Index(i), "", pattern)
	}
	if c.MaxBytes < 0 || c.MaxBytes > maxJudged {
		v.Fail("max_bytes", "must be at most 16MiB")
	}
}

// judge applies a cascade.
type judge struct {
	Cascade
	forbidden []llmv1.FinishReason
	pattern   *regexp.Regexp // nil for none
	deny      []*regexp.Regexp
}

// newJudge makes the judge of a cascade that validate has found good; nil if it
// is off.
func newJudge(c Cascade) (*judge, error) {
	if !c.On() {
		return nil, nil
	}
	j := &judge{Cascade: c}
	for _, name := range c.ForbidFinish {
		j.forbidden = append(j.forbidden, finishes[name])
	}
	for i, pattern := range append([]string{c.Pattern}, c.Deny...) {
		re, err := regexp.Compile(pattern)
		switch {
		case err != nil:
			return nil, fmt.Errorf("read pattern of cascade: %w", err)
		case i > 0:
			j.deny = append(j.deny, re)
		case pattern != "":
			j.pattern = re
		}
	}
	return j, nil
}

// Judge returns what says why an answer to a conversation is not good enough,
// or nothing if it is; nil if every answer is.
func (e *Entry) Judge(c *llmv1.Conversation) func(*llmv1.Completion) string {
	if e.judge == nil {
		return nil
	}
	format := c.GetResponseFormat()
	structured := format.GetJsonObject() != nil || format.GetJsonSchema() != nil
	return func(answer *llmv1.Completion) string {
		for _, candidate := range answer.GetCandidates() {
			if why := e.judge.fault(candidate, structured); why != "" {
				return why
			}
		}
		return ""
	}
}

// fault says why a candidate is not good enough. What calls a tool is no answer
// yet, so only its end is looked at.
func (j *judge) fault(c *llmv1.Candidate, structured bool) string {
	if slices.Contains(j.forbidden, c.GetFinishReason()) {
		return "finish"
	}
	var text strings.Builder
	for _, part := range c.GetMessage().GetParts() {
		if part.GetToolCall() != nil {
			return ""
		}
		text.WriteString(part.GetText().GetText())
	}
	said := strings.TrimSpace(text.String())
	switch {
	case utf8.RuneCountInString(said) < j.MinLength:
		return "length"
	case j.JSON && structured && !json.Valid([]byte(said)):
		return "json"
	case j.pattern != nil && !j.pattern.MatchString(said):
		return "pattern"
	case slices.ContainsFunc(j.deny, func(re *regexp.Regexp) bool { return re.MatchString(said) }):
		return "deny"
	}
	return ""
}

// Package expr evaluates the conditions of a route's own rules: expressions in
// CEL (https://cel.dev) over what is known of a request. It compiles them once,
// bounds what they may cost, and knows nothing of targets.
package expr

import (
	"slices"
	"time"

	"cel.dev/cel-go/cel"
)

// Facts are what expressions may ask about a request.
type Facts struct {
	Model, Dialect, Task, Session               string
	Tokens, OutputTokens                        int64
	Stream, Embeddings, Tools, Images, Document bool
	Structured                                  bool
	Labels                                      map[string]string
	Organization, Team, User, Key               string
	Roles                                       []string
	Country                                     string
	Residency, Compliance                       string
	Time                                        time.Time
	// Cost is what the request is expected to cost where it is cheapest,
	// nano-USD; -1 if that is not known.
	Cost int64
}

// Sizes that expressions are costed for. A request that is larger is evaluated
// under a limit that is checked while it runs.
const (
	maxText   = 256
	maxLabels = 32
	maxLabel  = 512
	maxRoles  = 16
)

// variable is a name that expressions may use.
type variable struct {
	name string
	kind *cel.Type
	// of is a function of *Facts that gives the fact as Go has it: a bool, an
	// int64, a float64, a string, a time.Time, a map or a list of texts.
	of any
	// doc says what it is, for people.
	doc string
}

// value is the fact as CEL takes it.
func (v *variable) value(f *Facts) any {
	switch of := v.of.(type) {
	case func(*Facts) bool:
		return of(f)
	case func(*Facts) int64:
		return of(f)
	case func(*Facts) float64:
		return of(f)
	case func(*Facts) string:
		return of(f)
	case func(*Facts) time.Time:
		return of(f)
	case func(*Facts) []string:
		return of(f)
	case func(*Facts) map[string]string:
		return of(f)
	default:
		return nil
	}
}

// dollars is the cost; -1 if it is not known.
func dollars(f *Facts) float64 {
	if f.Cost < 0 {
		return -1
	}
	return float64(f.Cost) / nanoPerUSD
}

// Names that are needed apart from the list.
const (
	labelsName = "request.labels"
	rolesName  = "caller.roles"
	costName   = "cost.usd"
	nanoPerUSD = 1e9
)

var variables = []variable{
	{"request.model", cel.StringType, func(f *Facts) string { return f.Model }, "the model, as the client names it"},
	{"request.dialect", cel.StringType, func(f *Facts) string { return f.Dialect }, "the client's format: openai, anthropic, …; empty over gRPC and REST"},
	{"request.task", cel.StringType, func(f *Facts) string { return f.Task }, "what it is for, if the client says so"},
	{"request.session", cel.StringType, func(f *Facts) string { return f.Session }, "its conversation, if the client names it"},
	{"request.tokens", cel.IntType, func(f *Facts) int64 { return f.Tokens }, "estimated tokens of the input"},
	{"request.output_tokens", cel.IntType, func(f *Facts) int64 { return f.OutputTokens }, "the most tokens of the answer; 0 if nobody says"},
	{"request.stream", cel.BoolType, func(f *Facts) bool { return f.Stream }, "the answer is streamed"},
	{"request.embeddings", cel.BoolType, func(f *Facts) bool { return f.Embeddings }, "it asks for vectors"},
	{"request.tools", cel.BoolType, func(f *Facts) bool { return f.Tools }, "it has tools"},
	{"request.images", cel.BoolType, func(f *Facts) bool { return f.Images }, "it has images"},
	{"request.documents", cel.BoolType, func(f *Facts) bool { return f.Document }, "it has documents"},
	{"request.structured", cel.BoolType, func(f *Facts) bool { return f.Structured }, "the answer must have a form"},
	{labelsName, cel.MapType(cel.StringType, cel.StringType), func(f *Facts) map[string]string { return f.Labels }, "the client's labels"},
	{"caller.organization", cel.StringType, func(f *Facts) string { return f.Organization }, "the organisation's id"},
	{"caller.team", cel.StringType, func(f *Facts) string { return f.Team }, "the team's id; may be empty"},
	{"caller.user", cel.StringType, func(f *Facts) string { return f.User }, "the user's id; may be empty"},
	{"caller.key", cel.StringType, func(f *Facts) string { return f.Key }, "the key's id"},
	{rolesName, cel.ListType(cel.StringType), func(f *Facts) []string { return f.Roles }, "the key's roles"},
	{"user.country", cel.StringType, func(f *Facts) string { return f.Country }, "the end user's country, if the client says so"},
	{"time", cel.TimestampType, func(f *Facts) time.Time { return f.Time.UTC() }, "now"},
	{costName, cel.DoubleType, dollars, "expected cost where it is cheapest, USD; -1 if not known"},
	{"cost.known", cel.BoolType, func(f *Facts) bool { return f.Cost >= 0 }, "whether the cost is known"},
	{"residency", cel.StringType, func(f *Facts) string { return f.Residency }, "the jurisdiction demanded; empty for none"},
	{"compliance", cel.StringType, func(f *Facts) string { return f.Compliance }, "the compliance class demanded; empty for none"},
}

var indexes = func() map[string]int {
	all := make(map[string]int, len(variables))
	for i, v := range variables {
		all[v.name] = i
	}
	return all
}()

// Variables lists the names that expressions may use, sorted.
func Variables() []string {
	var names []string
	for _, v := range variables {
		names = append(names, v.name)
	}
	slices.Sort(names)
	return names
}

// Package expr evaluates the conditions of a route's own rules: expressions in
// CEL (https://cel.dev) over what is known of a request. It compiles them once,
// bounds what they may cost, and knows nothing of targets.
package expr

import (
	"slices"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
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
	// value gives the fact as CEL takes it.
	value func(f *Facts, r *recent) any
	// Doc says what it is, for people.
	doc string
}

// recent remembers values that were made for requests before: making one costs
// an allocation, and most requests come from a few teams, for a few tasks.
type recent [16]ref.Val

func text(of func(*Facts) string) func(*Facts, *recent) any {
	return func(f *Facts, r *recent) any {
		now := of(f)
		if len(now) > maxText {
			return types.String(now) // not worth remembering
		}
		slot := uint32(len(now))
		for i := range min(len(now), 16) {
			slot = slot*31 + uint32(now[i])
		}
		at := &r[(slot^slot>>7)%uint32(len(r))]
		if s, ok := (*at).(types.String); !ok || string(s) != now {
			*at = types.String(now)
		}
		return *at
	}
}

func number(of func(*Facts) int64) func(*Facts, *recent) any {
	return func(f *Facts, r *recent) any {
		now := of(f)
		at := &r[uint64(now)%uint64(len(r))]
		if n, ok := (*at).(types.Int); !ok || int64(n) != now {
			*at = types.Int(now)
		}
		return *at
	}
}

func truth(of func(*Facts) bool) func(*Facts, *recent) any {
	return func(f *Facts, _ *recent) any { return types.Bool(of(f)) }
}

// dollars is the cost; -1 if it is not known.
func dollars(f *Facts, r *recent) any {
	now := -1.
	if f.Cost >= 0 {
		now = float64(f.Cost) / nanoPerUSD
	}
	if d, ok := r[0].(types.Double); !ok || float64(d) != now {
		r[0] = types.Double(now)
	}
	return r[0]
}

// labelsName is the one variable whose size takes a loop to know.
const (
	labelsName = "request.labels"
	costName   = "cost.usd"
	nanoPerUSD = 1e9
)

var variables = []variable{
	{"request.model", cel.StringType, text(func(f *Facts) string { return f.Model }), "the model, as the client names it"},
	{"request.dialect", cel.StringType, text(func(f *Facts) string { return f.Dialect }), "the client's format: openai, anthropic, …; empty over gRPC and REST"},
	{"request.task", cel.StringType, text(func(f *Facts) string { return f.Task }), "what it is for, if the client says so"},
	{"request.session", cel.StringType, text(func(f *Facts) string { return f.Session }), "its conversation, if the client names it"},
	{"request.tokens", cel.IntType, number(func(f *Facts) int64 { return f.Tokens }), "estimated tokens of the input"},
	{"request.output_tokens", cel.IntType, number(func(f *Facts) int64 { return f.OutputTokens }), "the most tokens of the answer; 0 if nobody says"},
	{"request.stream", cel.BoolType, truth(func(f *Facts) bool { return f.Stream }), "the answer is streamed"},
	{"request.embeddings", cel.BoolType, truth(func(f *Facts) bool { return f.Embeddings }), "it asks for vectors"},
	{"request.tools", cel.BoolType, truth(func(f *Facts) bool { return f.Tools }), "it has tools"},
	{"request.images", cel.BoolType, truth(func(f *Facts) bool { return f.Images }), "it has images"},
	{"request.documents", cel.BoolType, truth(func(f *Facts) bool { return f.Document }), "it has documents"},
	{"request.structured", cel.BoolType, truth(func(f *Facts) bool { return f.Structured }), "the answer must have a form"},
	{labelsName, cel.MapType(cel.StringType, cel.StringType), func(f *Facts, _ *recent) any { return f.Labels }, "the client's labels"},
	{"caller.organization", cel.StringType, text(func(f *Facts) string { return f.Organization }), "the organisation's id"},
	{"caller.team", cel.StringType, text(func(f *Facts) string { return f.Team }), "the team's id; may be empty"},
	{"caller.user", cel.StringType, text(func(f *Facts) string { return f.User }), "the user's id; may be empty"},
	{"caller.key", cel.StringType, text(func(f *Facts) string { return f.Key }), "the key's id"},
	{"caller.roles", cel.ListType(cel.StringType), func(f *Facts, _ *recent) any {
		return types.NewStringList(types.DefaultTypeAdapter, f.Roles)
	}, "the key's roles"},
	{"user.country", cel.StringType, text(func(f *Facts) string { return f.Country }), "the end user's country, if the client says so"},
	{"time", cel.TimestampType, func(f *Facts, _ *recent) any { return types.Timestamp{Time: f.Time} }, "now"},
	{costName, cel.DoubleType, dollars, "expected cost where it is cheapest, USD; -1 if not known"},
	{"cost.known", cel.BoolType, truth(func(f *Facts) bool { return f.Cost >= 0 }), "whether the cost is known"},
	{"residency", cel.StringType, text(func(f *Facts) string { return f.Residency }), "the jurisdiction demanded; empty for none"},
	{"compliance", cel.StringType, text(func(f *Facts) string { return f.Compliance }), "the compliance class demanded; empty for none"},
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

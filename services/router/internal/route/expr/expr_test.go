package expr

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func facts() *Facts {
	return &Facts{
		Model: "gpt-4o", Dialect: "openai", Task: "coding", Session: "s", Tokens: 1200, OutputTokens: 500, Stream: true, Tools: true,
		Labels: map[string]string{"tier": "gold"}, Organization: "acme", Team: "etl", User: "ada", Key: "key_1",
		Roles: []string{"developer", "viewer"}, Country: "DE", Residency: "eu", Compliance: "regulated",
		Time: time.Date(2026, 7, 1, 21, 30, 0, 0, time.UTC), Cost: 2_500_000,
	}
}

func holds(t testing.TB, source string, f *Facts) (bool, error) {
	t.Helper()
	c, err := Compile(source)
	if err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	return c.Holds(f)
}

func TestConditions(t *testing.T) {
	for source, want := range map[string]bool{
		`true`:                              true,
		`request.model == "gpt-4o"`:         true,
		`request.model.startsWith("gpt-")`:  true,
		`request.model.matches("^gpt-4.*")`: true,
		`request.tokens > 1000 && request.output_tokens <= 500`:                    true,
		`request.stream && request.tools && !request.images`:                       true,
		`request.embeddings || request.documents || request.structured`:            false,
		`request.labels["tier"] == "gold"`:                                         true,
		`"tier" in request.labels && !("x" in request.labels)`:                     true,
		`request.labels.exists(k, k.startsWith("ti"))`:                             true,
		`request.dialect == "openai" && request.session == "s"`:                    true,
		`request.task in ["coding", "analysis"]`:                                   true,
		`caller.organization == "acme" && caller.team == "etl"`:                    true,
		`caller.user == "ada" && caller.key == "key_1"`:                            true,
		`"admin" in caller.roles`:                                                  false,
		`user.country in ["DE", "AT", "CH"]`:                                       true,
		`time.getHours("Europe/Berlin") >= 22`:                                     true, // summer time: 23:30
		`time.getHours() >= 22`:                                                    false,
		`time.getHours("+02:00") == 23 && time.getHours("-05:30") == 16`:           true,
		`time.getDayOfWeek("Asia/Tokyo") == 4 && time.getDayOfWeek("UTC") == 3`:    true, // Thursday, Wednesday
		`time.getDate("Asia/Tokyo") == 2 && time.getDayOfMonth("Asia/Tokyo") == 1`: true,
		`time.getMonth("UTC") == 6 && time.getFullYear("UTC") == 2026`:             true,
		`time.getDayOfYear("UTC") == 181 && time.getMinutes("Asia/Kolkata") == 0`:  true,
		`time.getSeconds("UTC") == 0 && time.getMilliseconds("UTC") == 0`:          true,
		`time > timestamp("2026-01-01T00:00:00Z")`:                                 true,
		`duration("3h").getHours() == 3`:                                           true,
		`cost.known && cost.usd > 0.002 && cost.usd < 0.003`:                       true,
		`residency == "eu" && compliance == "regulated"`:                           true,
	} {
		got, err := holds(t, source, facts())
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", source, got, err)
		}
	}
	if got, err := holds(t, `cost.usd == -1.0 && !cost.known`, &Facts{Cost: -1}); !got || err != nil {
		t.Errorf("a cost that is not known: %v, %v", got, err)
	}
}

func TestFaultsOfExpressions(t *testing.T) {
	for source, want := range map[string]string{
		``:                                       "line 1, column 1: ",
		`request.modle == "x"`:                   "column 8: undeclared reference",
		`request.model`:                          "is string",
		`request.tokens > "x"`:                   "column 16: found no matching overload",
		`caller.team == `:                        "column",
		`time.getHours("Europe/Bärlin") > 1`:     "is not a time zone",
		`time.getHours("+2:0") > 1`:              "is not an offset",
		`request.model.matches("(")`:             "invalid matches argument",
		`request.model.matches("(a{100}){100}")`: "",
		`request.labels.all(a, request.labels.all(b, request.labels.all(c, a + b + c != "")))`: "may cost more than",
		strings.Repeat("true && ", 400) + "true":                                               "characters",
		`request.labels.tier == "gold" && 1`:                                                   "expected type 'bool'",
		`dyn(request.model)`:                                                                   "is dyn",
	} {
		_, err := Compile(source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", source, err, want)
		}
	}
}

// A condition without an answer says why, and the next one is not disturbed.
func TestRuntimeErrors(t *testing.T) {
	if got, err := holds(t, `request.labels["nobody"] == "x"`, facts()); got || err == nil || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("a missing label: %v, %v", got, err)
	}
	if got, err := holds(t, `time.getHours(request.labels["tier"]) > 1`, facts()); got || err == nil || !strings.Contains(err.Error(), "time zone") {
		t.Errorf("a zone that is none: %v, %v", got, err)
	}
	if got, err := holds(t, `request.labels["tier"] == "gold"`, facts()); !got || err != nil {
		t.Errorf("after it: %v, %v", got, err)
	}
}

// A request that is larger than what expressions are costed for is stopped.
func TestLargeRequestsAreMetered(t *testing.T) {
	f := facts()
	f.Labels = map[string]string{}
	for i := range 20_000 {
		f.Labels[fmt.Sprint(i)] = "v"
	}
	source := `request.labels.all(k, request.labels[k] != "x")`
	if _, err := holds(t, source, f); err == nil || !strings.Contains(err.Error(), "cost limit") {
		t.Errorf("20,000 labels: %v", err)
	}
	if got, err := holds(t, source, facts()); !got || err != nil {
		t.Errorf("a few: %v, %v", got, err)
	}
}

// Conditions of the usual kinds allocate nothing.
func TestConditionsAllocateNothing(t *testing.T) {
	var all []*Condition
	for _, source := range []string{
		`request.model.startsWith("gpt-")`, `caller.team == "etl"`, `request.tokens > 1000`, `time.getHours("Europe/Berlin") >= 22`,
		`user.country in ["DE", "AT"]`, `request.tools && !request.images`, `residency == "eu"`, `request.task == "coding"`,
		`caller.user == "ada"`, `request.stream || request.output_tokens > 10`,
		`request.labels["tier"] == "gold" && "tier" in request.labels`, `!("admin" in caller.roles)`, `cost.usd < 1.0`,
	} {
		c, err := Compile(source)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	f := facts()
	n := testing.AllocsPerRun(200, func() {
		f.Tokens++
		f.Time = f.Time.Add(time.Second)
		for _, c := range all {
			if _, err := c.Holds(f); err != nil {
				t.Fatal(err)
			}
		}
	})
	if n > 0 {
		t.Errorf("%.1f allocations", n)
	}
}

// agree reports ways of evaluating a condition that differ.
func agree(t interface {
	Errorf(string, ...any)
	Helper()
}, source string, c *Condition, f *Facts,
) {
	t.Helper()
	plain, err := run(c.plain, f)
	limited, errLimited := run(c.limited, f)
	if plain != limited || (err == nil) != (errLimited == nil) {
		t.Errorf("%q: %v, %v; under the meter %v, %v", source, plain, err, limited, errLimited)
	}
	if c.direct == nil {
		return
	}
	if direct, ok := c.direct(f); direct != plain && ok || ok != (err == nil) {
		t.Errorf("%q: %v, %v; directly %v, %v", source, plain, err, direct, ok)
	}
}

func FuzzCompile(f *testing.F) {
	for _, source := range []string{
		`time.getHours("Europe/Berlin") >= 22 || caller.team == "etl"`, `request.labels["a"] == "b"`,
		`request.labels.exists(k, k.matches("^a+$"))`, `caller.roles.map(r, r + "x").size() > 2`, `has(request.model)`,
		`cost.usd < 0.01 ? request.stream : request.tools`, "\x00", `"\u00e4" in caller.roles`, `{1: 2}[1] == 2`,
	} {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		c, err := Compile(source)
		if err != nil {
			return
		}
		// Whatever compiles answers soon, and every way of asking comes to the same.
		from := time.Now()
		agree(t, source, c, facts())
		if took := time.Since(from); took > time.Second {
			t.Errorf("%q took %s", source, took)
		}
	})
}

package expr

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// grammar draws expressions of the kinds that are compiled.
type grammar struct{ *rapid.T }

func (g grammar) one(list ...string) string { return rapid.SampledFrom(list).Draw(g.T, "choice") }

func (g grammar) text() string {
	return g.one("request.model", "request.task", "caller.team", "user.country", "residency", `"gpt-4o"`, `"DE"`, `""`, `"ä"`,
		"caller.organization", `request.labels["tier"]`, `request.labels.tier`, `request.labels["nobody"]`, `request.labels[request.task]`)
}

func (g grammar) number() string {
	return g.one("request.tokens", "request.output_tokens", "0", "1200", "-1", "22", "size(request.model)", "request.task.size()",
		"size(caller.roles)", "request.labels.size()", "time.getHours()", `time.getHours("Europe/Berlin")`, `time.getDayOfWeek("-05:30")`,
		`time.getMonth()`, `time.getDate("UTC")`, `time.getDayOfMonth("Asia/Tokyo")`, `time.getFullYear()`, "time.getDayOfYear()")
}

func (g grammar) real() string { return g.one("cost.usd", "0.0", "0.0025", "-1.0") }

func (g grammar) truth(depth int) string {
	if depth == 0 {
		return g.one("true", "false", "request.stream", "request.tools", "request.images", "cost.known",
			"has(request.labels.tier)", "has(request.labels.nobody)")
	}
	order := g.one("<", "<=", ">", ">=", "==", "!=")
	switch rapid.IntRange(0, 9).Draw(g.T, "kind") {
	case 0:
		return "!(" + g.truth(depth-1) + ")"
	case 1:
		return "(" + g.truth(depth-1) + " && " + g.truth(depth-1) + ")"
	case 2:
		return "(" + g.truth(depth-1) + " || " + g.truth(depth-1) + ")"
	case 3:
		return "((" + g.truth(depth-1) + ")" + g.one("==", "!=") + "(" + g.truth(depth-1) + "))"
	case 4:
		return g.number() + order + g.number()
	case 5:
		return g.real() + order + g.real()
	case 6:
		return fmt.Sprintf("%s.%s(%s)", g.text(), g.one("startsWith", "endsWith", "contains"), g.text())
	case 7:
		return g.text() + g.one(` in ["DE", "gpt-4o", ""]`, " in caller.roles", " in request.labels")
	case 8:
		return g.one(g.number()+" in [0, 22, 1200]", g.text()+`.matches("^(gpt|D).*$")`)
	default:
		return g.text() + order + g.text()
	}
}

func drawnFacts(t *rapid.T) *Facts {
	word := rapid.SampledFrom([]string{"", "gpt-4o", "DE", "ä", "tier", "admin"})
	return &Facts{
		Model: word.Draw(t, "model"), Task: word.Draw(t, "task"), Team: word.Draw(t, "team"), Country: word.Draw(t, "country"),
		Organization: word.Draw(t, "organization"), Residency: word.Draw(t, "residency"),
		Tokens:       rapid.SampledFrom([]int64{0, 1200, -1, 1 << 62}).Draw(t, "tokens"),
		OutputTokens: rapid.SampledFrom([]int64{0, 22}).Draw(t, "output"),
		Stream:       rapid.Bool().Draw(t, "stream"), Tools: rapid.Bool().Draw(t, "tools"), Images: rapid.Bool().Draw(t, "images"),
		Labels: rapid.MapOfN(word, word, 0, 3).Draw(t, "labels"), Roles: rapid.SliceOfN(word, 0, 3).Draw(t, "roles"),
		Time: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0).In(time.FixedZone("", 7200)),
		Cost: rapid.SampledFrom([]int64{-1, 0, 2_500_000}).Draw(t, "cost"),
	}
}

// What is compiled answers as CEL itself does, and has no answer where that
// has none.
func TestDirectAgreesWithCEL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := grammar{t}.truth(3)
		c, err := Compile(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		if c.direct == nil {
			t.Fatalf("%s is not compiled", source)
		}
		for range 8 {
			f := drawnFacts(t)
			agree(t, source, c, f)
			holds, err := c.Holds(f)
			if plain, why := run(c.plain, f); holds != plain || fmt.Sprint(err) != fmt.Sprint(why) {
				t.Fatalf("%s: %v, %v, want %v, %v", source, holds, err, plain, why)
			}
		}
	})
}

// Whatever is not compiled still has an answer.
func TestBeyondDirect(t *testing.T) {
	for source, want := range map[string]bool{
		`request.tokens * 2 > 2000`:                            true,
		`request.stream ? request.tools : request.images`:      true,
		`caller.roles.exists(r, r.startsWith("dev"))`:          true,
		`time > timestamp("2026-01-01T00:00:00Z")`:             true,
		`request.labels.exists(request, request == "x")`:       false,
		`caller.team + "-eu" == "etl-eu"`:                      true,
		`time.getHours(request.stream ? "UTC" : "+01:00") > 0`: true,
	} {
		c, err := Compile(source)
		if err != nil || c.direct != nil {
			t.Errorf("%s: %v, or it is compiled", source, err)
			continue
		}
		if got, err := c.Holds(facts()); got != want || err != nil {
			t.Errorf("%s: %v, %v", source, got, err)
		}
	}
}

func BenchmarkHolds(b *testing.B) {
	for _, source := range []string{
		`time.getHours("Europe/Berlin") >= 22 || caller.team == "etl"`, `request.labels["tier"] == "gold"`,
		`request.model.startsWith("preview-") && !("admin" in caller.roles)`, `caller.organization.matches("^(acme|example)-.*")`,
	} {
		c, err := Compile(source)
		if err != nil {
			b.Fatal(err)
		}
		f := facts()
		b.Run("direct/"+source, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := c.direct(f); !ok {
					b.Fatal("no answer")
				}
			}
		})
		b.Run("CEL/"+source, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := run(c.plain, f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package drill

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// table is a part of a report: a title, a head, and rows as long as it.
type table struct {
	title string
	head  []string
	rows  [][]string
}

// tables are the parts of a report, the same for text and Markdown.
func tables(r *routerv1.DrillReport) []table {
	return []table{summary(r), figures(r.GetPhases()), events(r)}
}

func summary(r *routerv1.DrillReport) table {
	t := table{head: []string{"drill", r.GetName()}}
	row := func(name, value string) { t.rows = append(t.rows, []string{name, value}) }
	row("targets", strings.Join(r.GetTargets(), ", "))
	row("faults", describe(r.GetFaults()))
	row("began", r.GetStartTime().AsTime().UTC().Format("2006-01-02 15:04:05 UTC"))
	if r.GetFaultsStartTime() != nil {
		row("faults lasted", precise(durationpb.New(r.GetFaultsEndTime().AsTime().Sub(r.GetFaultsStartTime().AsTime()))))
	}
	if r.GetStopped() != "" {
		row("stopped early", r.GetStopped())
	}
	row("exchanges hit", count(r.GetInjected()))
	row("time to detect", orElse(r.GetTimeToDetect(), "no circuit opened"))
	row("time to fail over", orElse(r.GetTimeToFailOver(), "requests took no other way"))
	row("failed requests", failures(r.GetPhases()))
	row("tokens lost", count(lost(r.GetPhases())))
	row("failback time", orElse(r.GetFailbackTime(), "the usual share did not come back"))
	row("usual share", percent(r.GetUsualShare()))
	return t
}

func failures(phases []*routerv1.DrillFigures) string {
	var failed, all int64
	for _, p := range phases {
		failed, all = failed+p.GetFailed(), all+p.GetRequests()
	}
	return fmt.Sprintf("%d of %d", failed, all)
}

func lost(phases []*routerv1.DrillFigures) (n int64) {
	for _, p := range phases {
		n += p.GetTokensLost()
	}
	return n
}

// lines are the figures of a phase, by name.
var lines = []struct {
	name  string
	value func(*routerv1.DrillFigures) string
}{
	{"lasted", func(f *routerv1.DrillFigures) string { return precise(f.GetDuration()) }},
	{"requests", func(f *routerv1.DrillFigures) string { return count(f.GetRequests()) }},
	{"succeeded", func(f *routerv1.DrillFigures) string { return count(f.GetSucceeded()) }},
	{"failed", func(f *routerv1.DrillFigures) string { return listed(f.GetFailed(), f.GetFailures()) }},
	{"refused", func(f *routerv1.DrillFigures) string { return count(f.GetRefused()) }},
	{"cancelled", func(f *routerv1.DrillFigures) string { return count(f.GetCancelled()) }},
	{"rescued", func(f *routerv1.DrillFigures) string { return count(f.GetRescued()) }},
	{"recovered in the middle", func(f *routerv1.DrillFigures) string { return count(f.GetRecovered()) }},
	{"attempts", func(f *routerv1.DrillFigures) string { return count(f.GetAttempts()) }},
	{"tokens lost", func(f *routerv1.DrillFigures) string { return count(f.GetTokensLost()) }},
	{"share of the targets", func(f *routerv1.DrillFigures) string { return percent(f.GetShare()) }},
	{"answered by", func(f *routerv1.DrillFigures) string { return listed(-1, f.GetServed()) }},
	{"p50", func(f *routerv1.DrillFigures) string { return orElse(f.GetP50(), "–") }},
	{"p99", func(f *routerv1.DrillFigures) string { return orElse(f.GetP99(), "–") }},
	{"p50 to first token", func(f *routerv1.DrillFigures) string { return orElse(f.GetP50TimeToFirstToken(), "–") }},
	{"p99 to first token", func(f *routerv1.DrillFigures) string { return orElse(f.GetP99TimeToFirstToken(), "–") }},
}

func figures(phases []*routerv1.DrillFigures) table {
	t := table{title: "Figures", head: []string{""}}
	for _, p := range phases {
		t.head = append(t.head, strings.ToLower(strings.TrimPrefix(p.GetPhase().String(), "DRILL_PHASE_")))
	}
	for _, line := range lines {
		row := []string{line.name}
		for _, p := range phases {
			row = append(row, line.value(p))
		}
		t.rows = append(t.rows, row)
	}
	return t
}

func events(r *routerv1.DrillReport) table {
	t := table{title: "Events", head: []string{"since the faults began", "what"}}
	for _, e := range r.GetEvents() {
		t.rows = append(t.rows, []string{fmt.Sprintf("%+.3f s", e.GetOffset().AsDuration().Seconds()), e.GetText()})
	}
	if r.GetEventsLeftOut() {
		t.rows = append(t.rows, []string{"…", "more, which is left out"})
	}
	return t
}

// listed writes a number with what it is made of, the most first.
func listed(n int64, parts map[string]int64) string {
	names := slices.SortedFunc(maps.Keys(parts), func(a, b string) int {
		if parts[a] != parts[b] {
			return int(parts[b] - parts[a])
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = name + " " + count(parts[name])
	}
	list := strings.Join(names, ", ")
	switch {
	case n < 0:
		return list
	case list == "":
		return count(n)
	default:
		return count(n) + ": " + list
	}
}

func count(n int64) string { return strconv.FormatInt(n, 10) }

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// precise writes a duration for people: seconds from one on, else milliseconds.
func precise(d *durationpb.Duration) string {
	if d.AsDuration() >= time.Second {
		return fmt.Sprintf("%.3f s", d.AsDuration().Seconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.AsDuration())/float64(time.Millisecond))
}

func orElse(d *durationpb.Duration, none string) string {
	if d == nil {
		return none
	}
	return precise(d)
}

// describe writes faults for people.
func describe(f *routerv1.DrillFaults) string {
	var parts []string
	if d := f.GetLatency(); d.AsDuration() > 0 {
		parts = append(parts, "latency "+d.AsDuration().String())
	}
	if len(f.GetStatuses()) > 0 {
		codes := make([]string, len(f.GetStatuses()))
		for i, s := range f.GetStatuses() {
			if codes[i] = strconv.Itoa(int(s.GetCode())); len(codes) > 1 {
				codes[i] += fmt.Sprintf(" (weight %g)", cmp.Or(s.GetWeight(), 1))
			}
		}
		parts = append(parts, "errors "+strings.Join(codes, ", "))
	}
	if f.GetRetryAfter().AsDuration() > 0 {
		parts = append(parts, "retry-after "+f.GetRetryAfter().AsDuration().String())
	}
	if f.GetBlackhole() {
		parts = append(parts, "blackhole")
	}
	if cut := f.GetCut(); cut != nil {
		parts = append(parts, "cut "+where(cut))
	}
	return strings.Join(parts, ", ") + ", on " + percent(cmp.Or(f.GetShare(), 1)) + " of exchanges"
}

// where says where answers break off.
func where(cut *routerv1.DrillCut) string {
	var bounds []string
	if n := cut.GetBytes(); n > 0 {
		bounds = append(bounds, fmt.Sprintf("after %d bytes", n))
	}
	if n := cut.GetEvents(); n > 0 {
		bounds = append(bounds, fmt.Sprintf("after %d events", n))
	}
	if len(bounds) == 0 {
		return "before the body"
	}
	return strings.Join(bounds, " or ")
}

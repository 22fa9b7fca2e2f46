package dialect

import (
	"strconv"
	"strings"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// maxDecision bounds the header that says why a request went where it went.
const maxDecision = 1024

// decision is a decision in one line: "route=gpt-*; strategy=weighted;
// order=east, west; rejected=us (forbidden by rule x); rules=x". What does not
// fit is cut off, and three dots say so.
func decision(d *routerv1.RouteDecision) string {
	var order, rejected []string
	for _, c := range d.GetCandidates() {
		if c.GetRejected() {
			rejected = append(rejected, c.GetTarget()+" ("+c.GetReason()+")")
		} else {
			order = append(order, c.GetTarget())
		}
	}
	var line strings.Builder
	add := func(name, value string) {
		if value == "" {
			return
		}
		if line.Len() > 0 {
			line.WriteString("; ")
		}
		line.WriteString(name + "=" + value)
	}
	add("route", d.GetRoute())
	add("strategy", d.GetStrategy())
	add("confidence", strconv.FormatFloat(d.GetConfidence(), 'g', 3, 64))
	if d.GetDegraded() {
		add("degraded", "true")
	}
	add("task", d.GetTask())
	add("rules", strings.Join(d.GetRules(), ", "))
	add("order", strings.Join(order, ", "))
	add("rejected", strings.Join(rejected, ", "))
	text := strings.Map(printable, line.String())
	if len(text) > maxDecision {
		text = text[:maxDecision-len("...")] + "..."
	}
	return text
}

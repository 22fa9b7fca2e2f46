package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// String says what is wrong with a cell.
func (r *result) String() string {
	return fmt.Sprintf("%s, %s, %s → %s %s: %v", r.fault.name, mode(r.stream), r.client, r.dialect, r.name, r.err)
}

func mode(stream bool) string {
	if stream {
		return "stream"
	}
	return "whole"
}

func (r *result) verdict() string {
	if r.err != nil {
		return "FAIL"
	}
	return string(r.got)
}

func (r *result) attempts() string { return fmt.Sprintf("%d+%d", r.own, r.other) }

// scorecard prints every cell, and how many are as they should be.
func scorecard(results []*result) string {
	var out strings.Builder
	fmt.Fprintf(&out, "\n%-55s %-19s %-10s %-7s %-12s %8s %7s %7s %7s\n", "fault", "client", "provider", "", "verdict", "attempts", "first", "gap", "total")
	for _, r := range results {
		fmt.Fprintf(&out, "%-55s %-19s %-10s %-7s %-12s %8s %7d %7d %7d\n", r.fault.name, r.client, r.dialect, mode(r.stream),
			r.verdict(), r.attempts(), r.first.Milliseconds(), r.gap.Milliseconds(), r.total.Milliseconds())
	}
	out.WriteString(total(results))
	return out.String()
}

// total counts.
func total(results []*result) string {
	counts := map[string]int{}
	for _, r := range results {
		counts[r.verdict()]++
	}
	good := len(results) - counts["FAIL"]
	return fmt.Sprintf("%d of %d as specified: %d passed, %d rescued, %d refused with a typed error, %d ended by a typed error in the stream",
		good, len(results), counts[string(passed)], counts[string(rescued)], counts[string(refused)], counts[string(interrupted)])
}

// page is the scorecard as a page of the documentation.
func page(results []*result, flaps string) string {
	var out strings.Builder
	out.WriteString(preface)
	fmt.Fprintf(&out, "**%s.** Run on %s.\n\n", total(results), time.Now().UTC().Format(time.DateOnly))
	for line := range strings.SplitSeq(flaps, "\n") {
		out.WriteString("- " + line + "\n")
	}
	out.WriteString("\n## OpenAI's client, every provider\n\n")
	table(&out, "| fault | | openai | anthropic | gemini | bedrock |\n|---|---|---|---|---|---|\n", dialects,
		results, func(r *result) (string, bool) { return r.dialect, r.client == "openai chat" })
	out.WriteString("\n## The other clients\n\n")
	var columns []string
	head, rule := "| fault | |", "|---|---|"
	for _, c := range crossings {
		columns = append(columns, c.client+" → "+c.dialect)
		head, rule = head+" "+c.client+" → "+c.dialect+" |", rule+"---|"
	}
	table(&out, head+"\n"+rule+"\n", columns, results, func(r *result) (string, bool) {
		return r.client + " → " + r.dialect, r.client != "openai chat"
	})
	return out.String()
}

// table writes one row for each fault and shape.
func table(out *strings.Builder, head string, columns []string, results []*result, column func(*result) (string, bool)) {
	out.WriteString(head)
	var rows []string
	entries := map[string]string{}
	for _, r := range results {
		name, here := column(r)
		if !here {
			continue
		}
		row := "| " + r.fault.name + " | " + mode(r.stream)
		if !slices.Contains(rows, row) {
			rows = append(rows, row)
		}
		entries[row+name] = fmt.Sprintf("%s %s, %d ms", r.verdict(), r.attempts(), r.total.Milliseconds())
	}
	for _, row := range rows {
		out.WriteString(row)
		for _, name := range columns {
			entry := entries[row+name]
			if entry == "" {
				entry = "–"
			}
			out.WriteString(" | " + entry)
		}
		out.WriteString(" |\n")
	}
}

const preface = `# Faults

What comes of a request when its provider misbehaves, as measured by the suite ` + "`TestFaults`" + ` (` + "`services/internal/e2e`" + `), which runs the real binary between the official SDKs and fake providers that misbehave in their own wire formats. ` + "`go test ./internal/e2e -run TestFaults -update`" + ` in ` + "`services`" + ` writes this page.

- **passed**: the whole right answer from the target itself, at the first attempt.
- **rescued**: the whole right answer, compared word by word, after a retry or from the fallback; in a stream also after a part of it was delivered.
- **refused**: an error of the client's own dialect, with the right status.
- **interrupted**: an error of the client's own dialect within the stream, behind a right beginning and without the dialect's end mark.

Behind the verdict stand the attempts: of the target with the fault (which is retried once where a retry can help) and of the fallback, as both the fakes and the ledger counted them; then the time of the whole request. Each fault has the least and the most time that it may cost; nothing may hang, and a truncated answer that looks whole fails the suite. A dash means that a wire format cannot have the fault.

`

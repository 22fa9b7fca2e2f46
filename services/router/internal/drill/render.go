package drill

import (
	"strings"
	"text/tabwriter"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// text writes a report for a terminal.
func text(r *routerv1.DrillReport) string {
	var b strings.Builder
	for _, t := range tables(r) {
		if t.title != "" {
			b.WriteString("\n" + t.title + "\n")
		}
		w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
		for _, row := range append([][]string{t.head}, t.rows...) {
			_, _ = w.Write([]byte(strings.Join(row, "\t") + "\n")) // a Builder takes all
		}
		_ = w.Flush()
	}
	return b.String()
}

// markdown writes a report as Markdown.
func markdown(r *routerv1.DrillReport) string {
	var b strings.Builder
	for _, t := range tables(r) {
		if t.title != "" {
			b.WriteString("\n### " + t.title + "\n\n")
		}
		writeRow(&b, t.head)
		b.WriteString(strings.Repeat("|---", len(t.head)) + "|\n")
		for _, row := range t.rows {
			writeRow(&b, row)
		}
	}
	return b.String()
}

// inCell keeps a text within its cell.
var inCell = strings.NewReplacer("|", `\|`, "\n", " ")

func writeRow(b *strings.Builder, cells []string) {
	for _, c := range cells {
		b.WriteString("| " + inCell.Replace(c) + " ")
	}
	b.WriteString("|\n")
}

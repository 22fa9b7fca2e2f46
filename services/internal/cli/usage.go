package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// usageCommands read the ledger.
type usageCommands struct {
	Report usageReport `cmd:"" help:"Sum usage and cost."`
}

type usageReport struct {
	connection
	By    []string `help:"What to group by: day, team, user, key, model, provider, target." default:"model" enum:"day,team,user,key,model,provider,target"`
	Since string   `help:"From this day on, YYYY-MM-DD (UTC); by default the beginning of the month."`
	Until string   `help:"Until this day, exclusive; by default now."`
}

// Run prints the report as a table.
func (c *usageReport) Run(env *environment) error {
	query := url.Values{}
	for _, dimension := range c.By {
		query.Add("groupBy", "DIMENSION_"+strings.ToUpper(dimension))
	}
	for name, day := range map[string]string{"startTime": c.Since, "endTime": c.Until} {
		if day == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, day)
		if err != nil {
			return fmt.Errorf("%q is not a day: write YYYY-MM-DD", day)
		}
		query.Set(name, t.Format(time.RFC3339))
	}
	var report billingv1.ReportUsageResponse
	if err := c.call(env.ctx, http.MethodGet, "/api/v1/usage:report?"+query.Encode(), nil, &report); err != nil {
		return err
	}
	table := tabwriter.NewWriter(env.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, strings.ToUpper(strings.Join(c.By, "\t"))+"\tREQUESTS\tATTEMPTS\tINPUT\tCACHED\tOUTPUT\tCOST\tUNPRICED\tESTIMATED")
	for _, row := range report.GetRows() {
		for _, dimension := range c.By {
			fmt.Fprintf(table, "%s\t", row.GetGroup()[dimension])
		}
		printSums(table, row)
	}
	fmt.Fprint(table, "total"+strings.Repeat("\t", len(c.By)))
	printSums(table, report.GetTotal())
	return table.Flush()
}

func printSums(table *tabwriter.Writer, r *billingv1.ReportUsageResponse_Row) {
	u := r.GetUsage()
	input := u.GetInputTokens() + u.GetCacheWrite_5MTokens() + u.GetCacheWrite_1HTokens() + u.GetInputAudioTokens() + u.GetInputImageTokens()
	output := u.GetOutputTokens() + u.GetReasoningTokens() + u.GetOutputAudioTokens()
	fmt.Fprintf(table, "%d\t%d\t%d\t%d\t%d\t%s\t%d\t%d\n", r.GetRequests(), r.GetAttempts(), input, u.GetCacheReadTokens(),
		output, dollars(r.GetCostNanousd()), r.GetUnpricedAttempts(), r.GetEstimatedAttempts())
}

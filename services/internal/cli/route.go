package cli

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/app"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router"
)

// routeCommands look at routes.
type routeCommands struct {
	Explain routeExplain `cmd:"" help:"Say where a request would go, in which order, and why: of a running Tollgate, or of a file with --config."`
}

type routeExplain struct {
	connection
	Text         []string          `arg:"" optional:"" help:"What would be asked."`
	Model        string            `help:"The model to ask." default:"default" short:"m"`
	Stream       bool              `help:"The answer would be streamed."`
	Residency    string            `help:"The jurisdiction that the request must not leave, for example eu."`
	Compliance   string            `help:"The class that its targets must have, for example regulated."`
	Task         string            `help:"What the request is for, for example coding."`
	Session      string            `help:"The conversation that it belongs to."`
	UserLocation string            `help:"The end user's country, for example DE."`
	Label        map[string]string `help:"A label of the request, as name=value; may be repeated."`
	MaxTokens    int64             `help:"The most tokens the answer may have; 0 leaves it to the route."`
	JSON         bool              `help:"Print the decision as JSON." name:"json"`

	Config       string    `help:"Look at this file, without a server: prices and health of targets are not known then." type:"existingfile" group:"Without a server"`
	Organization string    `help:"The caller's organisation." default:"default" group:"Without a server"`
	Team         string    `help:"The caller's team." group:"Without a server"`
	User         string    `help:"The caller's user." group:"Without a server"`
	Role         []string  `help:"A role of the caller; may be repeated." default:"developer" group:"Without a server"`
	KeyResidency string    `help:"The residency of the caller's key." group:"Without a server"`
	KeyClass     string    `help:"The compliance class of the caller's key." group:"Without a server"`
	Tokens       int64     `help:"How many tokens the input would have; 0 counts them." group:"Without a server"`
	At           time.Time `help:"When it would be asked, for example 2026-07-01T23:30:00+02:00; now if absent." group:"Without a server"`
}

// Run prints the decision. That nobody would be asked is an error, after the
// reasons.
func (c *routeExplain) Run(env *environment) error {
	decision, err := c.decide(env)
	if decision == nil {
		return err
	}
	if c.JSON {
		fmt.Fprintln(env.stdout, protojson.MarshalOptions{Multiline: true, EmitUnpopulated: true}.Format(decision))
		return err
	}
	printDecision(env.stdout, decision)
	return err
}

func (c *routeExplain) decide(env *environment) (*routerv1.RouteDecision, error) {
	if c.Config == "" {
		if c.Team != "" || c.User != "" || c.KeyResidency != "" || c.KeyClass != "" || c.Tokens != 0 || !c.At.IsZero() {
			return nil, fmt.Errorf("a running Tollgate looks at the key itself, and at now: --team, --user, --key-residency, --key-class, --tokens and --at need --config")
		}
		var out routerv1.ExplainRouteResponse
		err := c.call(env.ctx, http.MethodPost, "/api/v1/routes:explain", &routerv1.ExplainRouteRequest{
			Conversation: c.conversation(), Stream: c.Stream, Options: c.options(),
		}, &out)
		return out.GetDecision(), err
	}
	cfg, err := app.LoadConfig(c.Config)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", c.Config, err)
	}
	at := c.At
	if at.IsZero() {
		at = time.Now()
	}
	return router.Explain(cfg.RouterConfig(), router.Hypothesis{
		Principal: &auth.Principal{
			Organization: c.Organization, Team: c.Team, User: c.User, Roles: c.Role, Residency: c.KeyResidency, Compliance: c.KeyClass,
		},
		Conversation: c.conversation(), Options: c.options(), Streamed: c.Stream, Tokens: c.Tokens, Time: at,
	})
}

func (c *routeExplain) conversation() *llmv1.Conversation {
	text := strings.Join(c.Text, " ")
	if text == "" {
		text = "hello"
	}
	out := &llmv1.Conversation{
		Model: c.Model, Metadata: c.Label, Messages: []*llmv1.Message{textMessage(llmv1.Role_ROLE_USER, text)},
	}
	if c.MaxTokens > 0 {
		out.Sampling = &llmv1.Sampling{MaxOutputTokens: &c.MaxTokens}
	}
	return out
}

func (c *routeExplain) options() *routerv1.RequestOptions {
	return &routerv1.RequestOptions{
		Residency: c.Residency, Compliance: c.Compliance, Task: c.Task, Session: c.Session, UserLocation: c.UserLocation,
	}
}

// printDecision writes a decision as a table.
func printDecision(w io.Writer, d *routerv1.RouteDecision) {
	fmt.Fprintf(w, "route %s, strategy %s, confidence %.2f\n", d.GetRoute(), d.GetStrategy(), d.GetConfidence())
	if d.GetTask() != "" {
		fmt.Fprintf(w, "task: %s\n", d.GetTask())
	}
	if len(d.GetRules()) > 0 {
		fmt.Fprintf(w, "rules that applied: %s\n", strings.Join(d.GetRules(), ", "))
	}
	if d.GetDegraded() {
		fmt.Fprintln(w, "no target is healthy: those below are asked nevertheless, a few requests at a time")
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "\nORDER\tTARGET\tMODEL\tREGION\tSCORE\tEXPECTED\tAT WORST\tWHY")
	for i, candidate := range d.GetCandidates() {
		order, score := fmt.Sprint(i+1), fmt.Sprintf("%.3f", candidate.GetScore())
		if candidate.GetRejected() {
			order, score = "-", "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", order, candidate.GetTarget(), orDash(candidate.GetModel()),
			orDash(candidate.GetRegion()), score, orUnknown(candidate.GetLikelyCostNanousd()), orUnknown(candidate.GetExpectedCostNanousd()),
			why(candidate))
	}
	_ = table.Flush() // standard output has gone
	for _, advice := range d.GetAdvice() {
		fmt.Fprintf(w, "\nnote: %s\n", advice)
	}
}

func why(c *routerv1.RouteCandidate) string {
	text := c.GetReason()
	if c.GetRejected() {
		text = "rejected: " + text
	}
	if len(c.GetDropped()) > 0 {
		text += "; it is not told " + strings.Join(c.GetDropped(), ", ")
	}
	return text
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func orUnknown(nanousd int64) string {
	if nanousd == 0 {
		return "-"
	}
	return dollars(nanousd)
}

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// drillCommand makes targets fail on purpose and reports how that went.
type drillCommand struct {
	connection
	Target     []string      `help:"A target that is to fail; may be repeated." group:"Who fails"`
	Region     string        `help:"All targets of this region." group:"Who fails"`
	Provider   string        `help:"All targets of this provider." group:"Who fails"`
	Fault      string        `help:"What goes wrong: ${enum}." enum:"errors,latency,blackhole,cut" required:"" group:"What goes wrong"`
	Share      float64       `help:"The share of exchanges that is hit, up to 1." default:"1" group:"What goes wrong"`
	Status     []int32       `help:"With errors: an HTTP status; may be repeated." default:"503" group:"What goes wrong"`
	RetryAfter time.Duration `help:"With errors: what the answers say of when to try again." group:"What goes wrong"`
	Latency    time.Duration `help:"How much later answers come; with latency 2s if not given, with errors and cut besides." group:"What goes wrong"`
	CutEvents  int32         `help:"With cut: how many events of a stream come before it breaks off." default:"3" group:"What goes wrong"`
	CutBytes   int64         `help:"With cut: how many bytes of an answer come before it breaks off; 0 is no bound." group:"What goes wrong"`

	Before time.Duration `help:"How long is measured before the faults." default:"10s" group:"When"`
	During time.Duration `help:"How long the faults last, at most 1h." default:"30s" group:"When"`
	After  time.Duration `help:"How long is measured after them." default:"30s" group:"When"`

	AllowOutage bool   `help:"Run even if a route would have no target left."`
	Out         string `help:"File for the report, as Markdown." type:"path"`
	load
}

// heartbeat is how often the router hears that the drill is still watched.
const heartbeat = time.Second

// Run runs the drill. Its end, whatever ends it, ends the faults.
func (c *drillCommand) Run(env *environment) error {
	ctx, cancel := context.WithCancel(env.ctx)
	defer cancel()
	shots, err := c.start(ctx, c.connection)
	if err != nil {
		return err
	}
	defer shots.stop()
	var report *routerv1.DrillReport
	alive := false
	err = stream(ctx, c.connection, "/api/v1/drills:run", c.request(),
		func() *routerv1.RunDrillResponse { return &routerv1.RunDrillResponse{} },
		func(m *routerv1.RunDrillResponse) error {
			if !alive {
				alive = true
				fmt.Fprintf(env.stderr, "%s: Ctrl-C ends the faults at once\n", m.GetName())
				go c.keepAlive(ctx, m.GetName())
			}
			if m.GetReport() != nil {
				report = m.GetReport()
			}
			printNews(env.stderr, m)
			return nil
		})
	cancel()
	shots.stop()
	switch {
	case err != nil && env.ctx.Err() != nil:
		return errors.New("the drill was broken off, and its faults have ended")
	case err != nil:
		return err
	case report == nil:
		return errors.New("the drill ended without a report, and its faults with it: the router may have stopped")
	}
	return c.deliver(env.stdout, report, shots)
}

func (c *drillCommand) request() *routerv1.RunDrillRequest {
	faults := &routerv1.DrillFaults{Share: c.Share}
	if c.Latency > 0 {
		faults.Latency = durationpb.New(c.Latency)
	}
	switch c.Fault {
	case "errors":
		for _, code := range c.Status {
			faults.Statuses = append(faults.Statuses, &routerv1.DrillStatus{Code: code})
		}
		if c.RetryAfter > 0 {
			faults.RetryAfter = durationpb.New(c.RetryAfter)
		}
	case "latency":
		if c.Latency == 0 {
			faults.Latency = durationpb.New(2 * time.Second)
		}
	case "blackhole":
		faults.Blackhole = true
	case "cut":
		faults.Cut = &routerv1.DrillCut{Bytes: c.CutBytes, Events: c.CutEvents}
	}
	return &routerv1.RunDrillRequest{
		Targets: c.Target, Region: c.Region, Provider: c.Provider, Faults: faults, AllowOutage: c.AllowOutage,
		Before: durationpb.New(c.Before), During: durationpb.New(c.During), After: durationpb.New(c.After),
	}
}

// keepAlive says every second that somebody watches. Without it the router ends
// the faults, and so no error needs another answer.
func (c *drillCommand) keepAlive(ctx context.Context, name string) {
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			beat, cancel := context.WithTimeout(ctx, heartbeat)
			_ = c.call(beat, http.MethodPost, "/api/v1/"+name+":keepAlive",
				&routerv1.KeepDrillAliveRequest{}, &routerv1.KeepDrillAliveResponse{})
			cancel()
		}
	}
}

// printNews writes a message for people.
func printNews(w io.Writer, m *routerv1.RunDrillResponse) {
	if e := m.GetEvent(); e != nil {
		fmt.Fprintf(w, "%+8.3f s  %s\n", e.GetOffset().AsDuration().Seconds(), e.GetText())
	}
	p := m.GetProgress()
	if p == nil {
		return
	}
	f := p.GetFigures()
	fmt.Fprintf(w, "%-6s %4.0f s left · %d requests, %d failed, %d rescued · p50 %s, p99 %s · %d exchanges hit\n",
		strings.ToLower(strings.TrimPrefix(p.GetPhase().String(), "DRILL_PHASE_")), p.GetLeft().AsDuration().Seconds(),
		f.GetRequests(), f.GetFailed(), f.GetRescued(), rounded(f.GetP50()), rounded(f.GetP99()), p.GetFaults())
}

func rounded(d *durationpb.Duration) string {
	if d == nil {
		return "–"
	}
	return d.AsDuration().Round(100 * time.Microsecond).String()
}

// deliver writes the report, to the terminal and into the file.
func (c *drillCommand) deliver(w io.Writer, report *routerv1.DrillReport, shots *shooting) error {
	fmt.Fprint(w, report.GetText())
	if shots != nil {
		fmt.Fprintf(w, "\nSeen by the load generator\n%s\n", shots.summary())
	}
	if c.Out != "" {
		text := "# Drill report\n\n" + report.GetMarkdown()
		if shots != nil {
			text += "\n### Seen by the load generator\n\n" + shots.summary() + "\n"
		}
		if err := os.WriteFile(c.Out, []byte(text), 0o644); err != nil {
			return fmt.Errorf("write report: %w", err)
		}
	}
	if report.GetStopped() != "" {
		return fmt.Errorf("the faults ended before their time: %s", report.GetStopped())
	}
	return nil
}

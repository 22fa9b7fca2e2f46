package drill

import (
	"cmp"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/fault"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// World is what drills find when they begin.
type World struct {
	Targets []*target.Target
	Routes  *route.Table
}

// Bounds of a drill.
const (
	maxPhase         = time.Hour
	defaultHeartbeat = 5 * time.Second
	minHeartbeat     = time.Second
	maxHeartbeat     = time.Minute
)

func invalid(field, format string, args ...any) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, format, args...).WithField(field)
}

// choose finds the targets of a drill, and says no to those that it must not hit.
func choose(r *routerv1.RunDrillRequest, w World) ([]*target.Target, error) {
	chosen, err := selected(r, w.Targets)
	if err != nil {
		return nil, err
	}
	for _, t := range chosen {
		if _, ok := t.Adapter.(fault.Injectable); !ok {
			return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
				"target %s answers in this process: there is no network on which it could fail", t.Name).WithField("targets")
		}
	}
	if r.GetAllowOutage() {
		return chosen, nil
	}
	return chosen, outage(names(chosen), w.Routes)
}

func selected(r *routerv1.RunDrillRequest, all []*target.Target) ([]*target.Target, error) {
	group := r.GetRegion() != "" || r.GetProvider() != ""
	if group == (len(r.GetTargets()) > 0) {
		return nil, invalid("targets", "name targets, or a region or provider whose targets are meant")
	}
	if group {
		chosen := slices.DeleteFunc(slices.Clone(all), func(t *target.Target) bool {
			return r.GetRegion() != "" && t.Region != r.GetRegion() || r.GetProvider() != "" && t.Provider != r.GetProvider()
		})
		if len(chosen) == 0 {
			return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "no target is of this region and provider").WithField("region")
		}
		return chosen, nil
	}
	var chosen []*target.Target
	for _, name := range r.GetTargets() {
		i := slices.IndexFunc(all, func(t *target.Target) bool { return t.Name == name })
		if i < 0 {
			return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "no target is named %q", name).WithField("targets")
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// outage refuses a drill that leaves nobody to answer on some route.
func outage(targets []string, routes *route.Table) error {
	for _, e := range routes.Entries() {
		hit := func(ref route.Ref) bool { return slices.Contains(targets, ref.Name) }
		if !slices.ContainsFunc(e.Targets, func(ref route.Ref) bool { return !hit(ref) }) {
			return errs.New(llmv1.ErrorReason_ERROR_REASON_CONFLICT,
				"the route of %q would have no target left; allow_outage lets the drill run nevertheless", e.Model).WithField("allow_outage")
		}
	}
	return nil
}

func names(targets []*target.Target) []string {
	out := make([]string, len(targets))
	for i, t := range targets {
		out[i] = t.Name
	}
	return out
}

// faults reads what is to go wrong.
func faults(f *routerv1.DrillFaults) (fault.Faults, error) {
	out := fault.Faults{
		Share: cmp.Or(f.GetShare(), 1), Latency: f.GetLatency().AsDuration(), RetryAfter: f.GetRetryAfter().AsDuration(),
		Blackhole: f.GetBlackhole(),
	}
	kinds := 0
	if out.Blackhole {
		kinds++
	}
	if len(f.GetStatuses()) > 0 {
		kinds++
		for _, s := range f.GetStatuses() {
			out.Statuses = append(out.Statuses, fault.Status{Code: int(s.GetCode()), Weight: cmp.Or(s.GetWeight(), 1)})
		}
	}
	if cut := f.GetCut(); cut != nil {
		kinds++
		out.Cut = &fault.Cut{Bytes: cut.GetBytes(), Events: int(cut.GetEvents())}
	}
	switch {
	case kinds > 1:
		return out, invalid("faults", "of statuses, blackhole and cut there is at most one")
	case kinds == 0 && out.Latency <= 0:
		return out, invalid("faults", "name a fault: statuses, latency, blackhole or cut")
	case out.Blackhole && out.Latency > 0:
		return out, invalid("faults.latency", "a blackhole answers never, so it cannot answer late")
	}
	return out, nil
}

// schedule is how long the phases last. The contract bounds them too; a caller
// in this process may not have been held to it.
type schedule struct{ before, during, after, heartbeat time.Duration }

func scheduled(r *routerv1.RunDrillRequest) (schedule, error) {
	s := schedule{r.GetBefore().AsDuration(), r.GetDuring().AsDuration(), r.GetAfter().AsDuration(), defaultHeartbeat}
	if r.GetHeartbeat() != nil {
		s.heartbeat = r.GetHeartbeat().AsDuration()
	}
	for field, d := range map[string]*durationpb.Duration{"before": r.GetBefore(), "during": r.GetDuring(), "after": r.GetAfter()} {
		if d.AsDuration() < 0 || d.AsDuration() > maxPhase {
			return s, invalid(field, "must be from 0s to %s", maxPhase)
		}
	}
	if s.during == 0 {
		return s, invalid("during", "is required")
	}
	if s.heartbeat < minHeartbeat || s.heartbeat > maxHeartbeat {
		return s, invalid("heartbeat", "must be from %s to %s", minHeartbeat, maxHeartbeat)
	}
	return s, nil
}

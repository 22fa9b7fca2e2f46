package attempt

import (
	"errors"
	"slices"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/route"
)

// resume has another attempt go on with an answer that broke off, and returns
// nil, or says why it cannot.
func (s *Stream) resume(err error) error {
	h, parted := s.hunt, errors.Is(err, errParted)
	failure := errParted
	if !parted {
		s.breaks++
		failure = s.fault(err)
	}
	may := s.resumable(failure)
	if may {
		h.queue, h.role, h.refused, h.spare = s.turns(parted), RoleRecovery, nil, nil
		may = h.more()
	}
	if may || parted {
		s.leave(failure, parted, !may)
	}
	if !may {
		return interrupted(failure)
	}
	clear(h.tries)
	a, err := h.run()
	if err != nil {
		return interrupted(errs.From(err))
	}
	s.Attempt, s.splice, s.resumed = a, newSplice(s.script, a.turn.begun), false
	return nil
}

// leave ends the attempt that broke off, before another begins: it may take its
// place. One whose answer merely differs is not to blame.
func (s *Stream) leave(failure *errs.Error, parted, last bool) {
	end := End{Outcome: billingv1.Outcome_OUTCOME_FAILED, Err: interrupted(failure), Last: last}
	next := advance
	if last {
		next = stop
	}
	if parted {
		end.Outcome = billingv1.Outcome_OUTCOME_CANCELLED
	}
	s.log(failure, next)
	s.End(end)
}

// resumable says whether another attempt may go on after a failure.
func (s *Stream) resumable(e *errs.Error) bool {
	h := s.hunt
	if s.script == nil || s.script.full || s.script.media || s.breaks > h.job.Recovery.Most() || h.ctx.Err() != nil {
		return false
	}
	switch classOf(e).step {
	case stop:
		return false
	case filter:
		return h.job.FailoverOn.Has(route.FailoverContentFilter)
	case silence:
		h.silent = append(h.silent, s.Candidate.Target)
	}
	return true
}

// turns says who may go on. After a break those who are behind the target that
// broke off give the answer again, or, if there is none, it does so itself.
// Where their texts differ, somebody is given what the client has, and goes on.
func (s *Stream) turns(parted bool) []turn {
	policy, at, count := s.hunt.job.Recovery, s.turn.place, len(s.hunt.job.Order)
	var again, on []turn
	for place := at + 1; place < count; place++ {
		again = append(again, turn{place: place})
	}
	if !parted {
		again = append(again, turn{place: at})
	}
	if begun := s.script.prefill(); begun != "" && policy.Prefills() && (parted || !policy.Replays()) {
		for i := range count {
			if place := (at + i) % count; s.continues(place) {
				on = append(on, turn{place, begun})
			}
		}
		if !parted && len(on) > 1 && on[0].place == at {
			on = append(on[1:], on[0])
		}
	}
	if !policy.Replays() {
		return on
	}
	return slices.Concat(on, again)
}

// continues says whether a candidate goes on with the beginning of an answer.
func (s *Stream) continues(place int) bool {
	c := s.hunt.job.Order[place]
	return !(c.Lacks | c.Target.Wire).Has(capability.Prefill)
}

// recovered shows that the answer goes on.
func (s *Stream) recovered() {
	s.recoveries++
	how := observe.Replayed
	if s.splice.given {
		how = observe.Prefilled
	}
	s.runner.metrics.Recovered(s.hunt.ctx, s.Candidate.Target.Name, how)
}

package attempt

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

const tooLong = llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED

// candidate is a target that reads so many tokens; 0 for not known.
func candidate(name string, reads int64, plays ...play) *route.Candidate {
	c := deployed(newTarget(name, &adapter{plays: plays}), "m")
	if reads > 0 {
		c.Known = &catalog.Model{Context: reads}
	}
	return c
}

// other is a candidate with another model than the rest.
func other(c *route.Candidate) *route.Candidate {
	c.Model = "other"
	return c
}

// A conversation that is too long for one goes to those who are known to read
// more, else to another model of which nobody knows, and to nobody else.
func TestOnlyLargerModelsGetWhatIsTooLong(t *testing.T) {
	long, ok := fails(tooLong), answers()
	for _, tc := range []struct {
		name   string
		order  []*route.Candidate
		want   string
		reason llmv1.ErrorReason
	}{
		{"a larger one", []*route.Candidate{candidate("a", 8000, long), candidate("b", 4000, ok), candidate("c", 0, ok), candidate("d", 32000, ok)}, "a d", 0},
		{"none", []*route.Candidate{candidate("a", 8000, long), candidate("b", 8000, ok), candidate("c", 0, ok)}, "a", tooLong},
		{"larger and larger", []*route.Candidate{candidate("a", 8000, long), candidate("b", 32000, long), candidate("c", 16000, ok), candidate("d", 64000, ok)}, "a b d", 0},
		{"of unknown size", []*route.Candidate{candidate("a", 0, long), candidate("b", 0, ok), candidate("c", 9, ok)}, "a c", 0},
		{"another of unknown size", []*route.Candidate{candidate("a", 8000, long), candidate("b", 4000, ok), other(candidate("c", 0, ok))}, "a c", 0},
		{"known before unknown", []*route.Candidate{candidate("a", 0, long), other(candidate("b", 0, ok)), candidate("c", 9, ok)}, "a c", 0},
		{"still too long", []*route.Candidate{candidate("a", 8000, long), candidate("b", 32000, long)}, "a b", tooLong},
	} {
		b := &books{t: t}
		j := job(b)
		j.Order = tc.order
		a, err := newRunner(policy).Generate(context.Background(), j)
		if got := strings.Join(b.order, " "); got != tc.want || tc.reason == 0 && err != nil || tc.reason != 0 && !errs.Is(err, tc.reason) {
			t.Errorf("%s: asked %s, want %s: %v", tc.name, got, tc.want, err)
		}
		if a != nil {
			succeed(a)
		}
		checkEnds(t, b)
	}
}

func TestAFiltersVerdict(t *testing.T) {
	verdict := errs.New(filtered, "the provider's content filter stopped the request")
	says := func(context.Context) ([]read, error) { return nil, verdict }
	for class, want := range map[string]string{"": "a", route.FailoverContentFilter: "a b"} {
		b := &books{t: t}
		j := job(b, newTarget("a", &adapter{plays: []play{says}}), newTarget("b", &adapter{plays: []play{answers()}}))
		j.FailoverOn = route.Failovers{class}
		a, err := newRunner(policy).Generate(context.Background(), j)
		if got := strings.Join(b.order, " "); got != want || class == "" && (!errs.Is(err, filtered) || errs.From(err).Message != verdict.Message) {
			t.Errorf("%q: asked %s, %v", class, got, err)
		}
		if a != nil {
			succeed(a)
		}
	}
}

// A target that is silent is not asked for the same request again, for whatever model.
func TestSilenceIsNotAskedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, silent := range []play{hangs, fails(tooLate), answers(start(), later(time.Minute, text("x")))} {
			b := &books{t: t}
			deaf := newTarget("a", &adapter{plays: []play{silent}})
			j := job(b, deaf, newTarget("b", &adapter{plays: []play{fails(down)}}), deaf)
			_, err := newRunner(policy).Open(context.Background(), j)
			if got := strings.Join(b.order, " "); got != "a b b b" || !errs.Is(err, down) {
				t.Errorf("asked %s: %v", got, err)
			}
			checkEnds(t, b)
		}
	})
}

// A target that has used up its budget of retries is not tried again.
func TestRetriesHaveABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		poor := newTarget("a", &adapter{plays: []play{fails(down)}})
		for poor.Monitors.AllowRetry(time.Now()) {
		}
		a, err := newRunner(policy).Generate(context.Background(), job(b, poor, newTarget("b", &adapter{plays: []play{answers()}})))
		if err != nil || strings.Join(b.order, " ") != "a b" {
			t.Errorf("asked %v: %v", b.order, err)
		}
		succeed(a)
	})
}

// Where nobody is asked, nobody is to blame: the client may come again, as soon
// as the first target may be asked, and the ledger has no row.
func TestNobodyIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var targets []*target.Target
		for name, wait := range map[string]time.Duration{"a": 20 * time.Second, "b": 10 * time.Second} {
			tg := newTarget(name, &adapter{plays: []play{answers()}})
			m := tg.Monitors.Of("upstream-" + name)
			m.Follow(health.Open, time.Now().Add(wait))
			targets = append(targets, tg)
		}
		b := &books{t: t}
		p := policy
		p.MaxRetryAfter = 0
		_, err := newRunner(p).Generate(context.Background(), job(b, targets...))
		e := errs.From(err)
		if err == nil || e.HTTPStatus() != 503 || e.RetryAfter <= 0 || e.RetryAfter > 10*time.Second || len(b.order) != 0 {
			t.Errorf("%v, again after %v, asked %v", err, e.RetryAfter, b.order)
		}
	})
}

func TestVerdicts(t *testing.T) {
	now := time.Unix(100, 0)
	failed := func(e *errs.Error) End { return End{Outcome: billingv1.Outcome_OUTCOME_FAILED, Err: e} }
	for name, tc := range map[string]struct {
		end   End
		want  health.Verdict
		until time.Time
	}{
		"an answer":     {End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED}, health.Good, time.Time{}},
		"a blocked one": {End{Outcome: billingv1.Outcome_OUTCOME_BLOCKED}, health.Good, time.Time{}},
		"a caller who has gone": {
			End{Outcome: billingv1.Outcome_OUTCOME_CANCELLED, Err: errs.New(cancelled, "")}, health.Neutral, time.Time{},
		},
		"a request at fault": {failed(errs.New(rejected, "")), health.Neutral, time.Time{}},
		"a model made up":    {failed(errs.New(notFound, "")), health.Neutral, time.Time{}},
		"too long":           {failed(errs.New(tooLong, "")), health.Neutral, time.Time{}},
		"a fault of ours":    {failed(errs.New(internal, "")), health.Neutral, time.Time{}},
		"a break":            {failed(errs.New(interruptedReason, "")), health.Bad, time.Time{}},
		"silence":            {failed(errs.New(tooLate, "")), health.Bad, time.Time{}},
		"our credential":     {failed(errs.New(authFailed, "")), health.Denied, time.Time{}},
		"a limit":            {failed(errs.New(limited, "").WithRetryAfter(time.Second)), health.Throttled, now.Add(time.Second)},
		"always the same":    {failed(errs.New(down, "").WithCause(provider.ErrPersistent)), health.Bad, time.Time{}},
	} {
		if got, until := verdict(tc.end, now); got != tc.want || !until.Equal(tc.until) {
			t.Errorf("%s: %v until %v", name, got, until)
		}
	}
}

// Every reason that a provider may give has a class.
func TestEveryProvidersReasonHasAClass(t *testing.T) {
	for number, name := range llmv1.ErrorReason_name {
		if _, ok := classes[llmv1.ErrorReason(number)]; !ok && strings.HasPrefix(name, "ERROR_REASON_PROVIDER_") {
			t.Errorf("%s has none", name)
		}
	}
}

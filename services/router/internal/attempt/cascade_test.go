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
)

// long wants more than five letters.
func long(c *llmv1.Completion) string {
	if len(c.GetCandidates()) == 0 || len(c.GetCandidates()[0].GetMessage().GetParts()[0].GetText().GetText()) > 5 {
		return ""
	}
	return "length"
}

func TestCascades(t *testing.T) {
	short, whole := []read{start(), text("hi"), finish()}, []read{start(), text("hello "), text("there"), finish()}
	cut := []read{start(), text("hel"), {err: errs.New(interruptedReason, "")}}
	for _, tc := range []struct {
		name        string
		a, b        play
		bytes       int
		text, roles string
		outcomes    []billingv1.Outcome
	}{
		{"good enough", answers(whole...), fails(down), 100, "hello there", "a", nil},
		{"not good enough", answers(short...), answers(whole...), 100, "hello there", "a bescalation", []billingv1.Outcome{billingv1.Outcome_OUTCOME_SUCCEEDED, billingv1.Outcome_OUTCOME_SUCCEEDED}},
		{"the last is not judged", answers(short...), answers(text("ho"), finish()), 100, "ho", "a bescalation", nil},
		{"nobody else answers", answers(short...), fails(rejected), 100, "hi", "a bescalation", []billingv1.Outcome{billingv1.Outcome_OUTCOME_SUCCEEDED, billingv1.Outcome_OUTCOME_FAILED}},
		{"cut while it is held back", answers(cut...), answers(whole...), 100, "hello there", "a a a b", nil},
		{"too long to be held back", answers(whole...), fails(down), 3, "hello there", "a", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &books{t: t}
				j := job(b, newTarget("a", &adapter{plays: []play{tc.a}}), newTarget("b", &adapter{plays: []play{tc.b}}))
				j.Judge, j.JudgeBytes = long, tc.bytes
				s, err := newRunner(policy).Open(context.Background(), j)
				if err != nil {
					t.Fatal(err)
				}
				got, err := readAll(s)
				if !s.Ended() {
					succeed(s.Attempt)
				}
				if got != tc.text || err != nil || strings.Join(b.roles, " ") != tc.roles {
					t.Errorf("read %q, %v, from %v; want %q from %s", got, err, b.roles, tc.text, tc.roles)
				}
				for i, want := range tc.outcomes {
					if b.ends[i].Outcome != want {
						t.Errorf("attempt %d ended %v", i+1, b.ends[i].Outcome)
					}
				}
				checkEnds(t, b)
			})
		})
	}
}

// What breaks off while it is held back has reached nobody; what breaks off
// behind that is recovered like any other.
func TestACascadesStreamIsRecovered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		first := answers(text("hello "), text("there "), text("and "), later(time.Minute, text("stalled")))
		j := job(b, newTarget("a", &adapter{plays: []play{first}}), newTarget("b", &adapter{plays: []play{answers(text("hello there and on"), finish())}}))
		j.Judge, j.JudgeBytes = long, 8
		j.Recovery.Mode = ""
		s, err := newRunner(policy).Open(context.Background(), j)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(s); got != "hello there and on" || err != nil || s.Recoveries() != 1 {
			t.Errorf("read %q, %v", got, err)
		}
		succeed(s.Attempt)
		checkEnds(t, b)
	})
}

// An answer that was not good enough is no way out for another that breaks off.
func TestASpareAnswerIsNotGlued(t *testing.T) {
	b := &books{t: t}
	broken := answers(text("hello "), read{err: errs.New(interruptedReason, "")})
	j := job(b, newTarget("a", &adapter{plays: []play{answers(text("hi"), finish())}}), newTarget("b", &adapter{plays: []play{broken, fails(rejected)}}))
	j.Judge, j.JudgeBytes = long, 100
	j.Recovery.Mode = "replay"
	s, err := newRunner(policy).Open(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(s); got != "hello " || !errs.Is(err, interruptedReason) {
		t.Errorf("read %q, %v", got, err)
	}
	checkEnds(t, b)
}

package attempt

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	rejected          = llmv1.ErrorReason_ERROR_REASON_PROVIDER_REJECTED
	invalid           = llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT
	filtered          = llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED
	authFailed        = llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH
	notFound          = llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND
	limited           = llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED
	down              = llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE
	tooLate           = llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT
	interruptedReason = llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
	cancelled         = llmv1.ErrorReason_ERROR_REASON_CANCELLED
	unsupported       = llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	internal          = llmv1.ErrorReason_ERROR_REASON_INTERNAL
)

// Each class of errors leads on, stops or is tried again, for whole answers as
// for streams before their first content.
func TestWhatFollowsAFailure(t *testing.T) {
	ok := answers(text("hello"), finish())
	for _, tc := range []struct {
		name   string
		first  []play // of target a; b answers
		order  string
		reason llmv1.ErrorReason
	}{
		{"success", []play{ok}, "a", 0},
		{"refused requests stop", []play{fails(rejected)}, "a", rejected},
		{"malformed requests stop", []play{fails(invalid)}, "a", invalid},
		{"filtered requests stop", []play{fails(filtered)}, "a", filtered},
		{"our credential is wrong here", []play{fails(authFailed)}, "a b", 0},
		{"the model is missing here", []play{fails(notFound)}, "a b", 0},
		{"not supported here", []play{fails(unsupported)}, "a b", 0},
		{"limited, then well", []play{fails(limited), ok}, "a a", 0},
		{"limited for good", []play{fails(limited)}, "a a a b", 0},
		{"limited for long", []play{failsFor(limited, time.Minute)}, "a b", 0},
		{"down, then well", []play{fails(down), fails(down), ok}, "a a a", 0},
		{"down for good", []play{fails(down)}, "a a a b", 0},
		{"hangs", []play{hangs}, "a b", 0},
		{"panics", []play{panics}, "a", internal},
	} {
		for _, op := range []string{opGenerate, opStream} {
			t.Run(tc.name+" "+op, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &books{t: t}
					first, second := &adapter{plays: tc.first}, &adapter{plays: []play{ok}}
					a, err := ask(newRunner(policy), op, job(b, newTarget("a", first), newTarget("b", second)))
					if tc.reason != 0 && !errs.Is(err, tc.reason) || tc.reason == 0 && err != nil {
						t.Fatalf("got %v, want %v", err, tc.reason)
					}
					succeed(a)
					if got := strings.Join(b.order, " "); got != tc.order {
						t.Errorf("asked %s, want %s", got, tc.order)
					}
					checkEnds(t, b)
					if first.live+second.live != 0 {
						t.Error("readers are open")
					}
				})
			})
		}
	}
}

func ask(r *Runner, op string, j *Job) (*Attempt, error) {
	if op == opGenerate {
		return r.Generate(context.Background(), j)
	}
	s, err := r.Open(context.Background(), j)
	if err != nil {
		return nil, err
	}
	return s.Attempt, nil
}

func checkEnds(t *testing.T, b *books) {
	t.Helper()
	if len(b.open) != 0 || len(b.ends) != len(b.order) {
		t.Errorf("%d attempts, %d ended", len(b.order), len(b.ends))
	}
	if len(b.ends) > 0 && !b.over {
		t.Error("the last attempt is not marked")
	}
}

func TestLastErrorIsReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		a, err := newRunner(policy).Generate(context.Background(), job(b,
			newTarget("a", &adapter{plays: []play{fails(down)}}),
			newTarget("b", &adapter{plays: []play{failsFor(limited, time.Minute)}})))
		if a != nil || !errs.Is(err, limited) || errs.From(err).RetryAfter != time.Minute {
			t.Errorf("got %v", err)
		}
		checkEnds(t, b)
	})
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		begin := time.Now()
		a, err := newRunner(policy).Generate(context.Background(), job(b,
			newTarget("a", &adapter{plays: []play{failsFor(limited, 4*time.Second), answers()}})))
		if err != nil {
			t.Fatal(err)
		}
		succeed(a)
		if waited := time.Since(begin); waited < 4*time.Second || waited > 4200*time.Millisecond {
			t.Errorf("waited %v, was told 4s", waited)
		}
	})
}

func TestBackoffGrowsAndJitters(t *testing.T) {
	p := Policy{Backoff: 100 * time.Millisecond, MaxBackoff: time.Second, MaxRetryAfter: time.Second}
	e := errs.New(down, "")
	var most [6]time.Duration
	differ := false
	for range 2000 {
		for n := range most {
			wait, ok := p.wait(e, n)
			if !ok {
				t.Fatal("no retry")
			}
			differ = differ || most[n] != 0 && most[n] != wait
			most[n] = max(most[n], wait)
		}
	}
	for n, limit := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		limit *= time.Millisecond
		if most[n] > limit || most[n] < limit*9/10 {
			t.Errorf("retry %d waits up to %v, want %v", n, most[n], limit)
		}
	}
	if !differ {
		t.Error("there is no jitter")
	}
	if wait, _ := p.wait(e, 62); wait > time.Second {
		t.Errorf("the 62nd wait overflows: %v", wait)
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		p := policy
		p.MaxAttempts = 4
		_, err := newRunner(p).Generate(context.Background(), job(b,
			newTarget("a", &adapter{plays: []play{fails(down)}}), newTarget("b", &adapter{plays: []play{fails(down)}})))
		if !errs.Is(err, down) || len(b.order) != 4 {
			t.Errorf("%v after %v", err, b.order)
		}
		checkEnds(t, b)
	})
}

func TestNothingIsAskedWithoutABook(t *testing.T) {
	a := &adapter{plays: []play{answers()}}
	b := &books{t: t, full: errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "full")}
	if _, err := newRunner(policy).Generate(context.Background(), job(b, newTarget("a", a))); err == nil || a.asked != 0 {
		t.Errorf("%v, asked %d times", err, a.asked)
	}
}

// read reads a stream to its end.
func readAll(s *Stream) (string, error) {
	var got strings.Builder
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			return got.String(), nil
		}
		if err != nil {
			return got.String(), err
		}
		for i := range c.Events {
			got.Write(c.Events[i].Delta)
		}
	}
}

func TestStreams(t *testing.T) {
	slow := func(d time.Duration) []read { return []read{start(), text("one "), later(d, text("two")), finish()} }
	for _, tc := range []struct {
		name   string
		first  play
		text   string
		order  string
		reason llmv1.ErrorReason
	}{
		{"whole", answers(start(), text("one "), text("two"), finish()), "one two", "a", 0},
		{"an end without content", answers(start(), finish()), "", "a", 0},
		{"cut before the first content", answers(start(), read{err: errs.New(interruptedReason, "")}), "other", "a a a b", 0},
		{"cut after it", answers(text("one "), read{err: errs.New(interruptedReason, "")}), "one ", "a", interruptedReason},
		{"down after it", answers(text("one "), read{err: errs.New(down, "")}), "one ", "a", interruptedReason},
		{"panics after it", answers(text("one "), read{panic: true}), "one ", "a", interruptedReason},
		{"an error event after it", answers(text("one "), read{chunk: errorChunk()}), "one ", "a", interruptedReason},
		{"filtered after it", answers(text("one "), read{err: errs.New(filtered, "")}), "one ", "a", filtered},
		{"late first content", answers(start(), later(3100*time.Millisecond, text("x"))), "other", "a b", 0},
		{"just in time", answers(start(), later(2900*time.Millisecond, text("x")), finish()), "x", "a", 0},
		{"stands still", answers(slow(2100 * time.Millisecond)...), "one ", "a", interruptedReason},
		{"slow but alive", answers(slow(1900 * time.Millisecond)...), "one two", "a", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &books{t: t}
				first := &adapter{plays: []play{tc.first}}
				s, err := newRunner(policy).Open(context.Background(), job(b, newTarget("a", first),
					newTarget("b", &adapter{plays: []play{answers(text("other"), finish())}})))
				if err != nil {
					t.Fatal(err)
				}
				got, err := readAll(s)
				s.End(End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED, Last: true})
				if got != tc.text || strings.Join(b.order, " ") != tc.order {
					t.Errorf("read %q from %v, want %q from %s", got, b.order, tc.text, tc.order)
				}
				if tc.reason == 0 && err != nil || tc.reason != 0 && !errs.Is(err, tc.reason) {
					t.Errorf("ended with %v, want %v", err, tc.reason)
				}
				checkEnds(t, b)
				if first.live != 0 {
					t.Error("the reader is open")
				}
			})
		})
	}
}

func TestTotalTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := make([]read, 100)
		for i := range steps {
			steps[i] = later(time.Second, text("x"))
		}
		b := &books{t: t}
		s, err := newRunner(policy).Open(context.Background(), job(b, newTarget("a", &adapter{plays: []play{answers(steps...)}})))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(s)
		if !errs.Is(err, interruptedReason) || len(got) < 58 || len(got) > 60 {
			t.Errorf("read %d chunks of one a second, then %v; the limit is a minute", len(got), err)
		}
		succeed(s.Attempt)
	})
}

// A client that reads slowly is not the target's fault.
func TestSlowClientIsNoIdleTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		s, err := newRunner(policy).Open(context.Background(), job(b, newTarget("a",
			&adapter{plays: []play{answers(text("a"), text("b"), text("c"), finish())}})))
		if err != nil {
			t.Fatal(err)
		}
		for {
			_, err := s.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		succeed(s.Attempt)
	})
}

func TestCallerGoesAway(t *testing.T) {
	for name, plays := range map[string][]play{
		"while a target is asked": {hangs},
		"while waiting to retry":  {failsFor(limited, 5*time.Second)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(time.Second, cancel)
				b := &books{t: t}
				begin := time.Now()
				first := newTarget("a", &adapter{plays: plays})
				_, err := newRunner(policy).Open(ctx, job(b, first, newTarget("b", &adapter{plays: plays})))
				if !errs.Is(err, cancelled) || time.Since(begin) != time.Second || len(b.order) != 1 {
					t.Errorf("%v after %v at %v", err, time.Since(begin), b.order)
				}
				if len(b.open) != 0 {
					t.Error("an attempt is open")
				}
			})
		})
	}
}

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{t: t}
		tg := newTarget("a", &adapter{plays: []play{fails(down), answers(later(time.Second, text("x")), finish())}})
		s, err := newRunner(policy).Open(context.Background(), job(b, tg))
		if err != nil {
			t.Fatal(err)
		}
		if h := tg.Report(time.Now()); h.State != routerv1.TargetHealth_STATE_FAILING || h.InFlight != 1 || h.Attempts != 2 {
			t.Errorf("while it runs: %v", h)
		}
		time.Sleep(time.Second)
		succeed(s.Attempt)
		h := tg.Report(time.Now())
		if h.State != routerv1.TargetHealth_STATE_HEALTHY || h.Failures != 1 || h.InFlight != 0 ||
			h.MeanTimeToFirstToken.AsDuration() != time.Second {
			t.Errorf("afterwards: %v", h)
		}
		// A request that is at fault itself says nothing about the target.
		bad := newTarget("b", &adapter{plays: []play{fails(rejected)}})
		_, _ = newRunner(policy).Generate(context.Background(), job(&books{t: t}, bad))
		if h := bad.Report(time.Now()); h.Failures != 0 || h.State != routerv1.TargetHealth_STATE_UNSPECIFIED {
			t.Errorf("after a refused request: %v", h)
		}
	})
}

func TestModelIsTheTargetsOwn(t *testing.T) {
	a := &adapter{plays: []play{answers()}}
	got, err := newRunner(policy).Generate(context.Background(), job(&books{t: t}, newTarget("a", a)))
	if err != nil || a.model != "upstream-a" {
		t.Errorf("asked for %q: %v", a.model, err)
	}
	succeed(got)
	succeed(got) // a second end counts for nothing
}

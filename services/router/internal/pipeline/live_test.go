package pipeline

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

var background = context.Background()

// Followers hear each word when the leader does, and those who come late what was
// said before at once; whoever wants the whole gets it at the end.
func TestFollowersHearItLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t)
		leader := a.listen(background, "leader", nil)
		early := a.listen(background, "early", nil)
		whole := make(chan outcome, 1)
		a.ask(background, "whole", false, whole)
		time.Sleep(3500 * time.Millisecond)
		late := a.listen(background, "late", nil)
		a.shared("early", early, fourWords)
		a.shared("late", late, fourWords)
		<-leader.done
		for name, got := range map[string][2]string{
			"leader": {strings.Join(leader.heard, "|"), "2:one |3:two |4:three |5:four"},
			"early":  {strings.Join(early.heard, "|"), "2:one |3:two |4:three |5:four"},
			"late":   {strings.Join(late.heard, "|"), "0:one two |0:three |1:four"},
		} {
			if got[0] != got[1] {
				t.Errorf("%s heard %s, want %s", name, got[0], got[1])
			}
		}
		if leader.opened.GetCache() != "miss" || early.took != leader.took || a.teller.asked != 1 {
			t.Errorf("leader %v, followers after %v and %v; asked %d times", leader.opened, leader.took, early.took, a.teller.asked)
		}
		if want := "start text text text text finish usage"; strings.Join(early.log, " ") != want {
			t.Errorf("events %v, want %s", early.log, want)
		}
		if o := <-whole; o.err != nil || o.text != fourWords || o.state != "shared" || o.took != leader.took {
			t.Errorf("the whole: %+v", o)
		}
		a.left()
		hit := a.listen(background, "hit", nil)
		if <-hit.done; hit.opened.GetCache() != "hit" || hit.text != fourWords {
			t.Errorf("afterwards: %v, %q", hit.opened, hit.text)
		}
	})
}

func TestTheLeaderFailsMidStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t, func(w *world) { w.route.Recovery.Mode = "off" })
		a.teller.chunks = func(int) []*stream.Chunk { return telling(fourWords, 0)[:3] }
		a.teller.cut = func(int) error { return errs.New(down, "") }
		leader := a.listen(background, "leader", nil)
		follower := a.listen(background, "follower", nil)
		<-leader.done
		<-follower.done
		interrupted := llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED
		for _, l := range []*listener{leader, follower} {
			if !errs.Is(l.err, interrupted) || l.failure.GetReason() != interrupted || l.finished != nil || l.text != "one two " {
				t.Errorf("heard %q, %v, in band %v", l.text, l.err, l.failure)
			}
		}
		if len(a.records("follower")) != 0 || len(a.records("leader")) != 1 || a.teller.asked != 1 {
			t.Errorf("records %v, asked %d times", a.w.recorder.final, a.teller.asked)
		}
		a.left()
	})
}

// An answer that goes on with another target goes on for all.
func TestFollowersSeeNoRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t, func(w *world) { w.route.Targets = newWorld(t).route.Targets })
		a.teller.chunks = func(n int) []*stream.Chunk {
			all := telling(fourWords, llmv1.FinishReason_FINISH_REASON_STOP)
			if n == 1 {
				return all[:3]
			}
			return all
		}
		a.teller.cut = func(n int) error {
			if n == 1 {
				return errs.New(down, "")
			}
			return io.EOF
		}
		leader := a.listen(background, "leader", nil)
		follower := a.listen(background, "follower", nil)
		a.shared("follower", follower, fourWords)
		if <-leader.done; leader.text != fourWords || leader.finished.GetRecoveries() != 1 {
			t.Errorf("leader heard %q, %v", leader.text, leader.finished)
		}
		a.left()
	})
}

// The leader's client leaves: the answer goes on for those who follow, on the
// leader's account, and is kept.
func TestTheLeaderLeavesMidStream(t *testing.T) {
	for name, cancelled := range map[string]bool{"cancelled": true, "its writes fail": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAudience(t)
				ctx, cancel := context.WithCancel(background)
				defer cancel()
				leader := a.listen(ctx, "leader", nil)
				follower := a.listen(background, "follower", nil)
				time.Sleep(2500 * time.Millisecond)
				if leader.gone.Store(true); cancelled {
					cancel()
				}
				a.shared("follower", follower, fourWords)
				if <-leader.done; !errs.Is(leader.err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) || leader.text != "one " || leader.finished != nil {
					t.Errorf("leader heard %q, %v", leader.text, leader.err)
				}
				r := a.records("leader")
				if len(r) != 1 || r[0].GetOutcome() != billingv1.Outcome_OUTCOME_SUCCEEDED || r[0].GetUsage().GetOutputTokens() != 7 || a.teller.asked != 1 {
					t.Errorf("leader's records %v, asked %d times", r, a.teller.asked)
				}
				a.left()
				hit := a.listen(background, "hit", nil)
				if <-hit.done; hit.opened.GetCache() != "hit" {
					t.Errorf("afterwards: %v", hit.opened)
				}
			})
		})
	}
}

// Once nobody is left the target's work ends at once.
func TestEverybodyLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t)
		ctx, cancel := context.WithCancel(background)
		leader := a.listen(ctx, "leader", nil)
		theirs, leave := context.WithCancel(background)
		first, last := a.listen(theirs, "first", nil), a.listen(theirs, "last", nil)
		time.Sleep(2500 * time.Millisecond)
		cancel()
		synctest.Wait()
		if a.teller.open != 1 {
			t.Error("the answer ended with the leader")
		}
		leave()
		synctest.Wait()
		a.left()
		for _, l := range []*listener{leader, first, last} {
			if <-l.done; l.text != "one " || !errs.Is(l.err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) || l.took != 2500*time.Millisecond {
				t.Errorf("heard %q, %v after %v", l.text, l.err, l.took)
			}
		}
		r := a.records("leader")
		if len(r) != 1 || r[0].GetOutcome() != billingv1.Outcome_OUTCOME_CANCELLED || len(a.w.recorder.final) != 1 {
			t.Errorf("records %v", a.w.recorder.final)
		}
	})
}

// A follower that leaves, or reads slowly, is nobody else's matter.
func TestFollowersAreOnTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t)
		leader := a.listen(background, "leader", nil)
		ctx, cancel := context.WithCancel(background)
		leaves := a.listen(ctx, "leaves", nil)
		breaks := a.listen(background, "breaks", func(l *listener) { l.goneAt = 3 })
		slow := a.listen(background, "slow", func(l *listener) { l.slow = time.Hour / 100 })
		stays := a.listen(background, "stays", nil)
		time.Sleep(3500 * time.Millisecond)
		cancel()
		a.shared("stays", stays, fourWords)
		if <-leader.done; leader.err != nil || leader.took != stays.took || stays.took != 7*time.Second {
			t.Errorf("leader %v after %v, another follower after %v", leader.err, leader.took, stays.took)
		}
		if !slices.Equal(stays.heard, leader.heard) {
			t.Errorf("heard %v, the leader %v", stays.heard, leader.heard)
		}
		a.shared("slow", slow, fourWords)
		if len(slow.heard) != 2 {
			t.Errorf("the slow one heard %v", slow.heard)
		}
		for id, l := range map[string]*listener{"leaves": leaves, "breaks": breaks} {
			if <-l.done; !errs.Is(l.err, llmv1.ErrorReason_ERROR_REASON_CANCELLED) || len(a.records(id)) != 0 {
				t.Errorf("%s: %v, records %v", id, l.err, a.records(id))
			}
		}
		a.left()
	})
}

// What the guard lets pass is what followers hear, and no more.
func TestFollowersHearWhatIsAllowed(t *testing.T) {
	for text, want := range map[string]string{
		"a secret word here":     "a [X] word here",
		"nothing of an attack !": "nothing of an ",
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAudience(t)
			a.peers.Checker, a.peers.Scanner = &checker{output: true}, a.w.scanner
			a.teller.chunks = func(int) []*stream.Chunk { return telling(text, llmv1.FinishReason_FINISH_REASON_STOP) }
			leader := a.listen(background, "leader", nil)
			follower := a.listen(background, "follower", nil)
			<-leader.done
			<-follower.done
			if follower.text != want || leader.text != want || strings.Join(follower.log, " ") != strings.Join(leader.log, " ") {
				t.Errorf("heard %q as %v, the leader %q as %v", follower.text, follower.log, leader.text, leader.log)
			}
			blocked := llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED
			if masked := strings.Contains(want, "X"); !masked && (!errs.Is(follower.err, blocked) || follower.failure.GetReason() != blocked || len(a.records("follower")) != 0) {
				t.Errorf("%v, in band %v", follower.err, follower.failure)
			} else if masked {
				a.shared("follower", follower, want)
				if n := follower.finished.GetGuardrailNotices(); len(n) != 1 || n[0].GetCheck() != "secrets" {
					t.Errorf("notices %v", n)
				}
			}
			if a.teller.asked != 1 {
				t.Errorf("asked %d times", a.teller.asked)
			}
			a.left()
		})
	}
}

// A stopped answer of which nobody has heard anything: one of them tries again.
func TestBlockedBeforeTheFirstWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAudience(t)
		a.peers.Checker, a.peers.Scanner = &checker{output: true}, a.w.scanner
		a.teller.chunks = func(n int) []*stream.Chunk {
			return telling(map[bool]string{true: "attack", false: fourWords}[n == 1], llmv1.FinishReason_FINISH_REASON_STOP)
		}
		leader, follower := a.listen(background, "leader", nil), a.listen(background, "follower", nil)
		third := a.listen(background, "third", nil)
		if <-leader.done; !errs.Is(leader.err, llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED) || leader.opened != nil {
			t.Errorf("leader: %v", leader.err)
		}
		<-follower.done
		<-third.done
		if follower.opened.GetCache() != "miss" {
			follower, third = third, follower
		}
		if follower.text != fourWords || third.text != fourWords || third.opened.GetCache() != "shared" || a.teller.asked != 2 {
			t.Errorf("%q and %q as %v, asked %d times", follower.text, third.text, third.opened, a.teller.asked)
		}
		a.left()
	})
}

// What may not be shared is not begun to be: each asks, and at once. What turns
// out so later is shared to its end by those who heard its beginning, and kept
// for nobody.
func TestWhatTurnsOutNotToBeShared(t *testing.T) {
	call := events(
		stream.Event{Kind: stream.PartStart, Index: 1, Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "1", Name: "f"}}}},
		stream.Event{Kind: stream.ToolArguments, Index: 1, Delta: []byte("{}")})
	calls := finishing(llmv1.FinishReason_FINISH_REASON_TOOL_CALLS)
	for name, chunks := range map[string][]*stream.Chunk{
		"a call first":        {begins, call, calls, counts},
		"text, then a call":   {begins, say("words"), call, calls, counts},
		"text, then a stop":   {begins, say("words"), finishing(llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER), counts},
		"text up to a limit":  {begins, say("words"), finishing(llmv1.FinishReason_FINISH_REASON_LENGTH), counts},
		"a limit at once":     {begins, finishing(llmv1.FinishReason_FINISH_REASON_LENGTH), counts},
		"more than is kept":   {begins, say("words"), say(strings.Repeat("x", 700)), say(strings.Repeat("y", 700)), finishing(llmv1.FinishReason_FINISH_REASON_STOP), counts},
		"all at once, a call": {events(slices.Concat(say("words").Events, call.Events, calls.Events, counts.Events)...)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAudience(t, func(w *world) { w.route.Cache.MaxBytes = 1 << 10 })
				a.teller.chunks = func(int) []*stream.Chunk { return chunks }
				leader, follower := a.listen(background, "leader", nil), a.listen(background, "follower", nil)
				<-leader.done
				if <-follower.done; follower.err != nil || follower.text != leader.text || follower.tools != leader.tools || follower.finished == nil {
					t.Errorf("heard %q %q, %v; the leader %q %q", follower.text, follower.tools, follower.err, leader.text, leader.tools)
				}
				asked := 2
				if strings.HasPrefix(name, "text") || strings.HasPrefix(name, "more") {
					asked = 1
					a.shared("follower", follower, leader.text)
					if strings.Join(follower.log, " ") != strings.Join(leader.log, " ") {
						t.Errorf("events %v, the leader's %v", follower.log, leader.log)
					}
				} else if follower.opened.GetCache() != "miss" || follower.took > leader.took+2*time.Second {
					t.Errorf("%v after %v, the leader after %v", follower.opened, follower.took, leader.took)
				}
				later := a.listen(background, "later", nil)
				if <-later.done; later.opened.GetCache() != "miss" || a.teller.asked != asked+1 {
					t.Errorf("afterwards: %v, asked %d times", later.opened, a.teller.asked)
				}
				a.left()
			})
		})
	}
}

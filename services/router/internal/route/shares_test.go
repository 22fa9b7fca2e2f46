package route

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/capability"
)

// comingAndGoing decides many requests, each of which only some targets may
// answer, and compares each target's first places with what its weight promises.
func comingAndGoing(t *testing.T, seed uint64, strategy string, requests int, drop float64) {
	weights := []int{50, 30, 15, 5}
	missing := []capability.Set{capability.Images, capability.Tools, capability.Documents, capability.Audio}
	s := newSim(t, seed, Route{Strategy: strategy, Targets: []Ref{
		{Name: "a", Weight: 50}, {Name: "b", Weight: 30}, {Name: "c", Weight: 15}, {Name: "d", Weight: 5},
	}}, ms, ms, ms, ms)
	for i, target := range s.entry.deployments {
		target.Target.Lacks = missing[i]
	}
	random := rand.New(rand.NewPCG(seed, 0))
	want := make([]float64, len(weights))
	for range requests {
		var needs capability.Set
		total := 0
		for i, weight := range weights {
			if random.Float64() < drop {
				needs |= missing[i]
			} else {
				total += weight
			}
		}
		for i, weight := range weights {
			if strategy == roundRobin {
				weight, total = 1, len(weights)-needs.Len()
			}
			if !needs.Has(missing[i]) {
				want[i] += float64(weight) / float64(total)
			}
		}
		s.entry.Candidates(Question{Model: "m", Needs: needs, Time: epoch}, &s.d)
		s.d.Decide()
		if len(s.d.Order) > 0 {
			s.turns[s.d.Order[0].Target.Name]++
		}
	}
	shares, all := s.shares(), 0.
	for _, n := range want {
		all += n
	}
	for i, n := range want {
		name := string(rune('a' + i))
		t.Logf("%s: %.2f %%, promised %.2f %%", name, 100*shares[name], 100*n/all)
		if math.Abs(shares[name]-n/all) > .01 {
			t.Errorf("%s is off by more than 1 %%", name)
		}
	}
}

func TestSharesHoldWithinOnePercent(t *testing.T) {
	for _, strategy := range []string{weighted, roundRobin, random} {
		t.Run(strategy, func(t *testing.T) { comingAndGoing(t, 11, strategy, 50_000, 0) })
		t.Run(strategy+" while targets come and go", func(t *testing.T) { comingAndGoing(t, 12, strategy, 50_000, .3) })
	}
}

// Of any run of requests, the canary gets its share to within one.
func TestCanaryIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		percent := float64(rapid.IntRange(0, 100_000).Draw(rt, "thousandths")) / 1000
		requests := rapid.IntRange(1, 3000).Draw(rt, "requests")
		strategy := rapid.SampledFrom(Strategies()).Draw(rt, "strategy")
		s := newSim(quiet{t}, 13, Route{Strategy: strategy, Canary: &Canary{Target: "b", Percent: percent}}, ms, ms, ms)
		for range requests {
			s.entry.Candidates(Question{Model: "m", Time: epoch}, &s.d)
			s.d.Decide()
			s.turns[s.d.Order[0].Target.Name]++
			if last := s.d.Order[2].Target.Name; s.d.Order[0].Target.Name != "b" && last != "b" {
				rt.Fatalf("a request that is not the canary's would try it before %s", last)
			}
		}
		if want := percent / 100 * float64(requests); math.Abs(float64(s.turns["b"])-want) > 1 {
			rt.Fatalf("%d of %d requests, want %.2f", s.turns["b"], requests, want)
		}
	})
}

// A conversation is on one side of a canary for good.
func TestCanaryKeepsConversations(t *testing.T) {
	s := newSim(t, 14, Route{Canary: &Canary{Target: "b", Percent: 5}}, ms, ms)
	side := make(map[string]string)
	const sessions = 20_000
	for turn := range 3 {
		for i := range sessions {
			session := fmt.Sprint("session ", i)
			s.entry.Candidates(Question{Model: "m", Time: epoch, Session: session}, &s.d)
			s.d.Decide()
			name := s.d.Order[0].Target.Name
			s.turns[name]++
			if turn > 0 && side[session] != name {
				t.Fatalf("%s moved from %s to %s", session, side[session], name)
			}
			side[session] = name
		}
	}
	if share := s.shares()["b"]; math.Abs(share-.05) > .005 {
		t.Errorf("the canary has %.2f %%", 100*share)
	} else {
		t.Logf("the canary has %.2f %% of %d conversations", 100*share, sessions)
	}
}

func say(texts ...string) *llmv1.Conversation {
	c := &llmv1.Conversation{Model: "m"}
	for i, text := range texts {
		role := []llmv1.Role{llmv1.Role_ROLE_SYSTEM, llmv1.Role_ROLE_USER, llmv1.Role_ROLE_ASSISTANT}[min(i, 1+(i+1)%2)]
		c.Messages = append(c.Messages, &llmv1.Message{
			Role: role, Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}},
		})
	}
	return c
}

// When a target leaves, only its own conversations move; when it comes back,
// only they come back. Weights hold over conversations.
func TestStickyMovesLittle(t *testing.T) {
	const targets, conversations = 10, 20_000
	r := Route{Strategy: weighted, Sticky: Sticky{By: ByConversation}}
	for i := range targets {
		r.Targets = append(r.Targets, Ref{Name: string(rune('a' + i)), Weight: 1 + i%3})
	}
	s := newSim(t, 15, r, ms, ms, ms, ms, ms, ms, ms, ms, ms, ms)
	place := func(needs capability.Set) []string {
		out := make([]string, conversations)
		for i := range out {
			q := Question{
				Model: "m", Time: epoch, Needs: needs, Caller: Caller{Organization: "o"},
				Conversation: say("You are helpful.", fmt.Sprint("Question number ", i)),
			}
			s.entry.Candidates(q, &s.d)
			s.d.Decide()
			out[i] = s.d.Order[0].Target.Name
		}
		return out
	}
	s.entry.deployments[3].Target.Lacks = capability.Images
	before, without, after := place(capability.None), place(capability.Images), place(capability.None)
	moved, had := 0, map[string]int{}
	for i := range before {
		had[before[i]]++
		if before[i] != without[i] {
			moved++
			if before[i] != "d" {
				t.Fatalf("conversation %d moved from %s to %s, though %s is there", i, before[i], without[i], before[i])
			}
		}
		if before[i] != after[i] {
			t.Fatalf("conversation %d did not come back", i)
		}
	}
	t.Logf("%.2f %% of the conversations moved; the target's weight is %.2f %%", 100*float64(moved)/conversations, 100./19)
	if share := float64(moved) / conversations; share > 1./19+.01 {
		t.Errorf("%.1f %% moved", 100*share)
	}
	for i, ref := range r.Targets {
		want := float64(ref.Weight) / 19
		if got := float64(had[ref.Name]) / conversations; math.Abs(got-want) > .01 {
			t.Errorf("target %d of weight %d has %.2f %%, want %.2f %%", i, ref.Weight, 100*got, 100*want)
		}
	}
}

func TestAffinity(t *testing.T) {
	base := Question{
		Caller: Caller{Organization: "o", User: "u", Key: "k"}, Conversation: say("Be brief.", "Hello"),
	}
	with := func(change func(*Question)) Question {
		q := base
		change(&q)
		return q
	}
	for _, c := range []struct {
		name string
		by   string
		q    Question
		same bool
	}{
		{"a later turn", ByConversation, with(func(q *Question) { q.Conversation = say("Be brief.", "Hello", "Hi", "And now?") }), true},
		{"other instructions", ByConversation, with(func(q *Question) { q.Conversation = say("Be long.", "Hello") }), false},
		{"another beginning", ByConversation, with(func(q *Question) { q.Conversation = say("Be brief.", "Hullo") }), false},
		{"another user", ByConversation, with(func(q *Question) { q.Caller.User = "v" }), true},
		{"another organisation", ByConversation, with(func(q *Question) { q.Caller.Organization = "p" }), false},
		{"a session of its own", ByConversation, with(func(q *Question) { q.Session = "s" }), true},
		{"a session of its own", BySession, with(func(q *Question) { q.Session = "s" }), false},
		{"no session", BySession, with(func(*Question) {}), true},
		{"another conversation", ByUser, with(func(q *Question) { q.Conversation = say("x", "y") }), true},
		{"another user", ByUser, with(func(q *Question) { q.Caller.User = "v" }), false},
		{"another key", ByUser, with(func(q *Question) { q.Caller.Key = "l" }), true},
		{"another key", ByKey, with(func(q *Question) { q.Caller.Key = "l" }), false},
	} {
		was, ok := affinity(c.by, &base)
		now, okNow := affinity(c.by, &c.q)
		if !ok || !okNow || (was == now) != c.same {
			t.Errorf("by %s, %s: %x and %x", c.by, c.name, was, now)
		}
	}
	for _, by := range affinities {
		if _, ok := affinity(by, &Question{}); ok {
			t.Errorf("by %s, a request without anything belongs somewhere", by)
		}
	}
	// The same session in two processes must come to the same target.
	if key, _ := affinity(BySession, &Question{Session: "s", Caller: Caller{Organization: "o"}}); key != 0 {
		t.Logf("%#x", key)
	}
}

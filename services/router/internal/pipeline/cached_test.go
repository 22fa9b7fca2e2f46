package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/cache"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// cachingWorld is a world whose route has a cache.
func cachingWorld(t testing.TB) *world {
	w := newWorld(t)
	w.cache = cache.NewExact(cache.NewMemory(cache.Bounds{MaxEntries: 1000, MaxBytes: 64 << 20}, time.Now))
	w.route.Cache = &route.Cache{}
	w.route.Cache.SetDefaults()
	w.route.Cache.TTL = config.Duration(time.Minute)
	return w
}

// heard is what a client got, whole or streamed.
type heard struct {
	text, id, state string
	report          *routerv1.RequestReport
	log             string
}

// ask makes a request, whole or streamed, and looks at the books.
func (w *world) ask(p *Pipeline, call *Call, streamed bool) heard {
	w.t.Helper()
	w.holder.held, w.recorder.final = map[string]bool{}, nil
	h, err := w.try(p, call, streamed)
	if err != nil {
		w.t.Fatal(err)
	}
	w.settled()
	return h
}

func (w *world) try(p *Pipeline, call *Call, streamed bool) (heard, error) {
	if streamed {
		c := &client{t: w.t, recorder: w.recorder}
		if err := p.Stream(context.Background(), call, c); err != nil {
			return heard{}, err
		}
		return heard{text: c.text, state: c.opened.GetCache(), report: c.finished, log: strings.Join(c.log, " ")}, nil
	}
	got, err := p.Generate(context.Background(), call)
	if err != nil {
		return heard{}, err
	}
	var text string
	for _, part := range got.Answer.Completion.GetCandidates()[0].GetMessage().GetParts() {
		text += part.GetText().GetText()
	}
	return heard{text: text, id: got.Answer.Completion.GetId(), state: got.Report.GetCache(), report: got.Report}, nil
}

var requests int

// again is a request that nobody has made before.
func (w *world) again(text string) *Call {
	call := w.call(text)
	requests++
	call.RequestID = fmt.Sprint("req", requests)
	return call
}

// What a whole or a streamed request has stored is a hit for either.
func TestHit(t *testing.T) {
	for _, tc := range []struct{ first, second bool }{{false, false}, {false, true}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("streamed %v then %v", tc.first, tc.second), func(t *testing.T) {
			w := cachingWorld(t)
			p := w.pipeline()
			miss := w.ask(p, w.again("hello"), tc.first)
			if miss.state != "miss" || miss.report.GetTarget() != "a" {
				t.Errorf("the first: %+v", miss)
			}
			call := w.again("hello")
			hit := w.ask(p, call, tc.second)
			if hit.text != "hello there" || hit.state != "hit" || hit.report.GetTarget() != "" || hit.report.GetAttempts() != 0 ||
				hit.report.GetCostNanousd() != 0 || hit.report.GetUnpriced() || len(w.model.asked) != 1 {
				t.Errorf("%+v, asked %d times", hit, len(w.model.asked))
			}
			if !tc.second && hit.id != call.RequestID {
				t.Errorf("its id is %q", hit.id)
			}
			if tc.second && hit.log != "start part text stop usage finish" {
				t.Errorf("replayed as %s", hit.log)
			}
			checkCachedRecord(t, w, call.RequestID, tc.second)
		})
	}
}

func checkCachedRecord(t *testing.T, w *world, id string, streamed bool) {
	t.Helper()
	if len(w.recorder.final) != 1 {
		t.Fatalf("%d records", len(w.recorder.final))
	}
	r := w.recorder.final[0]
	if r.RequestId != id || r.Attempt != 1 || r.Outcome != billingv1.Outcome_OUTCOME_CACHED || r.Target != "" || r.Hold != "holds/1" || !r.Last ||
		r.Usage.GetSource() != llmv1.UsageSource_USAGE_SOURCE_NONE || r.Usage.GetInputTokens() != 0 || r.Streamed != streamed ||
		r.PricedModel.GetProvider() != "openai" || r.PricedModel.GetModel() != "m" || r.Scopes.GetKey() != "keys/k" {
		t.Errorf("record: %v", r)
	}
	want := map[string]string{"tollgate.role": "cache", "tollgate.cached_input_tokens": "11", "tollgate.cached_output_tokens": "7"}
	if !maps.Equal(r.Metadata, want) {
		t.Errorf("labels: %v", r.Metadata)
	}
}

func TestHitsTakeNoTokens(t *testing.T) {
	w := cachingWorld(t)
	w.principal.Limits = auth.Limits{TokensPerMinute: 700, RequestsPerMinute: 4}
	p := w.pipeline()
	for range 4 { // a worst case is above 500 tokens: two at once would not fit
		w.ask(p, w.again("hello"), false)
	}
	if _, err := w.try(p, w.again("hello"), false); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED) {
		t.Errorf("a hit is no request: %v", err)
	}
}

// Nothing is stored of an answer that is not whole, not allowed, or not checked.
func TestWhatIsNotStored(t *testing.T) {
	finishes := func(reason llmv1.FinishReason) []*stream.Chunk {
		return []*stream.Chunk{events(stream.Event{Kind: stream.Start}), say("words"), events(stream.Event{Kind: stream.Finish, Reason: reason})}
	}
	calls := events(
		stream.Event{Kind: stream.PartStart, Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Id: "1", Name: "f"}}}},
		stream.Event{Kind: stream.ToolArguments, Delta: []byte("{}")}, stream.Event{Kind: stream.PartStop},
		stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_TOOL_CALLS})
	for _, tc := range []struct {
		name   string
		arm    func(*world)
		stored bool
	}{
		{"a whole answer", func(*world) {}, true},
		{"a cut stream", func(w *world) {
			w.model.chunks, w.model.cut = []*stream.Chunk{events(stream.Event{Kind: stream.Start}), say("half ")}, errs.New(down, "")
			w.route.Recovery.Mode = "off"
		}, false},
		{"a blocked answer", func(w *world) { w.model.text = "an attack" }, false},
		{"a masked answer", func(w *world) { w.model.text = "a secret" }, true},
		{"its limit is reached", func(w *world) { w.model.chunks = finishes(llmv1.FinishReason_FINISH_REASON_LENGTH) }, false},
		{"its limit is reached, allowed", func(w *world) {
			w.model.chunks, w.route.Cache.Truncated = finishes(llmv1.FinishReason_FINISH_REASON_LENGTH), true
		}, true},
		{"filtered", func(w *world) { w.model.chunks = finishes(llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER) }, false},
		{"refused", func(w *world) { w.model.chunks = finishes(llmv1.FinishReason_FINISH_REASON_REFUSAL) }, false},
		{"it calls a tool", func(w *world) { w.model.chunks = []*stream.Chunk{calls.Clone()} }, false},
		{"it calls a tool, allowed", func(w *world) {
			w.model.chunks, w.route.Cache.Tools = []*stream.Chunk{calls.Clone()}, true
		}, true},
		{"too large", func(w *world) { w.route.Cache.MaxBytes, w.model.text = 1024, strings.Repeat("word ", 300) }, false},
		{"the guardrail was away", func(w *world) { w.scanner.err, w.options.GuardrailOpen = unreachable(), true }, false},
		{"rag was away", func(w *world) { w.enricher.err, w.route.Collections = unreachable(), []string{"docs"} }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := cachingWorld(t)
			tc.arm(w)
			chunks := w.model.chunks
			p := w.pipeline()
			for range 2 {
				w.model.chunks = nil
				for _, c := range chunks {
					w.model.chunks = append(w.model.chunks, c.Clone())
				}
				_, _ = w.try(p, w.again("hello"), true)
			}
			if stored := len(w.model.asked) == 1; stored != tc.stored {
				t.Errorf("stored: %v", stored)
			}
		})
	}
}

// A hit shows what the first client was allowed to see, and says so.
func TestHitIsMasked(t *testing.T) {
	w := cachingWorld(t)
	w.model.text = "a secret here"
	p := w.pipeline()
	for i, want := range []string{"miss", "hit"} {
		got := w.ask(p, w.again("my secret"), i == 1)
		notices := got.report.GetGuardrailNotices()
		if got.state != want || got.text != "a [X] here" || len(notices) != 1 || notices[0].GetCount() != 2 {
			t.Errorf("%s: %q, notices %v", want, got.text, notices)
		}
	}
}

// An attack is stopped even if its answer lay in the cache.
func TestHitsPassTheInputGuard(t *testing.T) {
	w := cachingWorld(t)
	w.checker.input = false
	p := w.pipeline()
	w.ask(p, w.again("an attack"), false)
	w.checker.input = true
	if _, err := w.try(p, w.again("an attack"), false); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INPUT_BLOCKED) {
		t.Errorf("got %v", err)
	}
}

func TestModes(t *testing.T) {
	const on, off, refresh, noStore = routerv1.CacheControl_MODE_ON, routerv1.CacheControl_MODE_OFF, routerv1.CacheControl_MODE_REFRESH, routerv1.CacheControl_MODE_NO_STORE
	for _, tc := range []struct {
		name, route string
		modes       []routerv1.CacheControl_Mode
		want        string
	}{
		{"the route says", route.CacheOn, []routerv1.CacheControl_Mode{0, 0}, "miss hit"},
		{"the caller may, and does not", route.CacheCaller, []routerv1.CacheControl_Mode{0, 0}, "bypass bypass"},
		{"the caller may, and does", route.CacheCaller, []routerv1.CacheControl_Mode{on, on, 0}, "miss hit bypass"},
		{"off", route.CacheOn, []routerv1.CacheControl_Mode{0, off, 0}, "miss bypass hit"},
		{"refresh", route.CacheOn, []routerv1.CacheControl_Mode{refresh, 0, refresh, 0}, "miss hit miss hit"},
		{"no-store", route.CacheOn, []routerv1.CacheControl_Mode{noStore, noStore, 0, noStore}, "miss miss miss hit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := cachingWorld(t)
			w.route.Cache.Mode = tc.route
			p := w.pipeline()
			var got []string
			for _, mode := range tc.modes {
				call := w.again("hello")
				call.Options.Cache = &routerv1.CacheControl{Mode: mode}
				got = append(got, w.ask(p, call, false).state)
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("got %v, want %s", got, tc.want)
			}
		})
	}
}

func TestTheCallerMayKeepShorter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := cachingWorld(t)
		p := w.pipeline()
		call := w.again("hello")
		call.Options.Cache = &routerv1.CacheControl{Ttl: durationpb.New(time.Second)}
		w.ask(p, call, false)
		time.Sleep(2 * time.Second)
		if got := w.ask(p, w.again("hello"), false).state; got != "miss" {
			t.Errorf("after the caller's time: %s", got)
		}
		call = w.again("hello")
		call.Options.Cache = &routerv1.CacheControl{Mode: routerv1.CacheControl_MODE_REFRESH, Ttl: durationpb.New(time.Hour)}
		w.ask(p, call, false)
		time.Sleep(61 * time.Second)
		if got := w.ask(p, w.again("hello"), false).state; got != "miss" {
			t.Errorf("after the route's time: %s", got)
		}
	})
}

// strange is a native request with members that the canonical form lacks.
type strange struct {
	native
	betas []string
}

func (s strange) Betas() []string { return s.betas }

func TestWhatMakesAnotherQuestion(t *testing.T) {
	for _, tc := range []struct {
		name   string
		first  func(*world, *Call)
		second func(*world, *Call)
		want   string
	}{
		{"nothing", nil, nil, "hit"},
		{"another text", nil, func(_ *world, c *Call) { setText(c, "other") }, "miss"},
		{"another organisation", nil, func(_ *world, c *Call) { c.Principal = &auth.Principal{Organization: "p", Key: "k"} }, "miss"},
		{"another team of the organisation", nil, func(_ *world, c *Call) { c.Principal = &auth.Principal{Organization: "o", Team: "u", Key: "x"} }, "hit"},
		{"another key's residency", nil, func(_ *world, c *Call) {
			c.Principal = &auth.Principal{Organization: "o", Key: "x", Residency: "eu"}
		}, "miss"},
		{"another residency", nil, func(_ *world, c *Call) { c.Options.Residency = "eu" }, "miss"},
		{"another compliance", nil, func(_ *world, c *Call) { c.Options.Compliance = "regulated" }, "miss"},
		{"another task", nil, func(_ *world, c *Call) { c.Options.Task = "coding" }, "miss"},
		{"labels", nil, func(_ *world, c *Call) { c.Conversation.Metadata = map[string]string{"a": "b"} }, "miss"},
		{
			"labels that are ignored", func(w *world, _ *Call) { w.route.Cache.Ignore = []string{"labels"} },
			func(_ *world, c *Call) { c.Conversation.Metadata = map[string]string{"a": "b"} }, "hit",
		},
		{
			"end users that are ignored", func(w *world, _ *Call) { w.route.Cache.Ignore = []string{"end_user"} },
			func(_ *world, c *Call) { c.Conversation.EndUser = "u" }, "hit",
		},
		{
			"another context", func(w *world, _ *Call) { w.enricher.text, w.route.Collections = "one", []string{"docs"} },
			func(w *world, _ *Call) { w.enricher.text = "two" }, "miss",
		},
		{"the same context", func(w *world, _ *Call) { w.enricher.text, w.route.Collections = "one", []string{"docs"} }, nil, "hit"},
		{"a hint of the dialect", nil, func(_ *world, c *Call) { c.Native = native{"openai", []string{"prompt_cache_key"}} }, "hit"},
		{
			"a member that we do not know", func(w *world, _ *Call) { w.route.DropUnsupported = true },
			func(_ *world, c *Call) { c.Native = native{"openai", []string{"logit_bias"}} }, "bypass",
		},
		{"a feature", nil, func(_ *world, c *Call) { c.Native = strange{betas: []string{"context-1m"}} }, "miss"},
		{"no temperature of 0", func(w *world, _ *Call) { w.route.Cache.AnyTemperature = false }, nil, "bypass"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := cachingWorld(t)
			w.principal.AllowedModels = nil
			w.shape = func(t *target.Target) { t.Region, t.Compliance = "eu-west-1", []string{"regulated"} }
			call := w.again("hello")
			if tc.first != nil {
				tc.first(w, call)
			}
			p := w.pipeline()
			w.ask(p, call, false)
			call = w.again("hello")
			if tc.second != nil {
				tc.second(w, call)
			}
			if got := w.ask(p, call, false).state; got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestScopes(t *testing.T) {
	base := auth.Principal{Organization: "o", Team: "t", User: "u", Key: "k"}
	for _, tc := range []struct {
		scope string
		other auth.Principal
		want  string
	}{
		{"organization", auth.Principal{Organization: "o", Team: "t2", User: "u2", Key: "k2"}, "hit"},
		{"organization", auth.Principal{Organization: "o2", Team: "t", User: "u", Key: "k"}, "miss"},
		{"team", auth.Principal{Organization: "o", Team: "t", User: "u2", Key: "k2"}, "hit"},
		{"team", auth.Principal{Organization: "o", Team: "t2", User: "u", Key: "k"}, "miss"},
		{"team", auth.Principal{Organization: "o", User: "t"}, "miss"}, // a user of the team's name
		{"team", auth.Principal{Organization: "o2", Team: "t"}, "miss"},
		{"user", auth.Principal{Organization: "o", Team: "t2", User: "u", Key: "k2"}, "hit"},
		{"user", auth.Principal{Organization: "o", Team: "t", User: "u2", Key: "k"}, "miss"},
		{"user", auth.Principal{Organization: "o", Team: "t", Key: "u"}, "miss"},
		{"key", auth.Principal{Organization: "o", Team: "t2", User: "u2", Key: "k"}, "hit"},
		{"key", auth.Principal{Organization: "o", Team: "t", User: "u", Key: "k2"}, "miss"},
		{"key", auth.Principal{Organization: "o", Team: "t", User: "k"}, "miss"},
		{"user", auth.Principal{Organization: "o", Team: "t"}, "bypass"}, // nobody in particular
	} {
		w := cachingWorld(t)
		w.route.Cache.Scope = tc.scope
		p := w.pipeline()
		call := w.again("hello")
		call.Principal = &base
		w.ask(p, call, false)
		call = w.again("hello")
		call.Principal = &tc.other
		if got := w.ask(p, call, false).state; got != tc.want {
			t.Errorf("scope %s for %+v: %s, want %s", tc.scope, tc.other, got, tc.want)
		}
	}
}

// Whatever two tenants ask, and however the cache is shared, neither gets what
// was made for the other.
func TestTenantsNeverShare(t *testing.T) {
	w := cachingWorld(t)
	w.principal.AllowedModels = nil
	pipelines := map[string]*Pipeline{}
	for _, scope := range []string{"organization", "team", "user", "key"} {
		c := *w.route.Cache
		c.Scope = scope
		w.route.Cache = &c
		pipelines[scope] = w.pipeline() // all over one store
	}
	made := map[string]string{} // text of an answer → the tenant that it was made for
	rapid.Check(t, func(rt *rapid.T) {
		id := rapid.SampledFrom([]string{"", "x", "y", "x/team/x"})
		principal := &auth.Principal{
			Organization: rapid.SampledFrom([]string{"x", "y", "x/team/x", "z"}).Draw(rt, "organization"),
			Team:         id.Draw(rt, "team"), User: id.Draw(rt, "user"), Key: id.Draw(rt, "key"),
		}
		call := w.again(rapid.SampledFrom([]string{"one", "two"}).Draw(rt, "text"))
		call.Principal = principal
		w.model.text = "for " + call.RequestID
		made[w.model.text] = principal.Organization
		got := w.ask(pipelines[rapid.SampledFrom([]string{"organization", "team", "user", "key"}).Draw(rt, "scope")], call, rapid.Bool().Draw(rt, "streamed"))
		if made[got.text] != principal.Organization {
			rt.Errorf("%s got %q, which was made for %s", principal.Organization, got.text, made[got.text])
		}
	})
	states := map[string]bool{}
	for range 2 {
		states[w.ask(pipelines["organization"], w.again("one"), false).state] = true
	}
	if !states["hit"] {
		t.Error("nothing was ever shared: the test tests nothing")
	}
}

// revised is a checker whose policy has revisions.
type revised struct {
	*checker
	version string
	err     error
}

func (r *revised) PolicyVersion(context.Context, string) (string, error) { return r.version, r.err }

func TestAnotherRevisionOfThePolicy(t *testing.T) {
	w := cachingWorld(t)
	p := w.pipeline()
	policy := &revised{checker: w.checker, version: "1"}
	p.peers.Checker = policy
	var got []string
	for _, version := range []string{"1", "1", "2", "2", "1", ""} {
		policy.version = version
		if version == "" {
			policy.err = unreachable()
		}
		got = append(got, w.ask(p, w.again("hello"), false).state)
	}
	if want := "miss hit miss hit hit bypass"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if _, err := w.checker.HasRules(context.Background(), "", guardrailv1.Direction_DIRECTION_INPUT); err != nil {
		t.Error(err)
	}
}

// gone is a cache that cannot be reached, or gives torn values.
type gone struct{ Cache }

func (gone) Lookup(context.Context, *cache.Question) (*cache.Kept, error) {
	return &cache.Kept{}, nil
}

func (gone) Store(context.Context, *cache.Question, *cache.Kept, time.Duration) error {
	return errors.New("away")
}

func TestACacheThatFailsIsAMiss(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		w := cachingWorld(t)
		w.cache = gone{}
		p := w.pipeline()
		for range 2 {
			if got := w.ask(p, w.again("hello"), streamed); got.state != "miss" || got.text != "hello there" {
				t.Errorf("got %+v", got)
			}
		}
	}
}

func TestHitsAreNotServedUnmetered(t *testing.T) {
	w := cachingWorld(t)
	p := w.pipeline()
	w.ask(p, w.again("hello"), false)
	w.recorder.full = errs.New(peerOut, "full")
	if _, err := w.try(p, w.again("hello"), true); !errs.Is(err, peerOut) {
		t.Errorf("got %v", err)
	}
	if w.holder.held["holds/1"] {
		t.Error("the hold is left")
	}
}

func TestPacedReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := cachingWorld(t)
		w.route.Cache.Replay = route.ReplayPaced
		w.model.text = "one two three four"
		w.model.onChunk = func(n int) {
			if n > 1 && n < 5 {
				time.Sleep(100 * time.Millisecond)
			}
		}
		p := w.pipeline()
		w.ask(p, w.again("hello"), true)
		began := time.Now()
		if got := w.ask(p, w.again("hello"), true); got.state != "hit" || got.text != w.model.text || got.log != "start part text text text text stop usage finish" {
			t.Errorf("%+v", got)
		}
		if took := time.Since(began); took != 300*time.Millisecond {
			t.Errorf("took %v", took)
		}
		began = time.Now()
		if got := w.ask(p, w.again("hello"), false); got.state != "hit" || time.Since(began) != 0 {
			t.Errorf("a whole answer took %v: %+v", time.Since(began), got)
		}
	})
}

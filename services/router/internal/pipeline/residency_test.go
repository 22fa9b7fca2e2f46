package pipeline

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"pgregory.net/rapid"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/limit"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// somewhere is a kind of target, with the jurisdictions that it may be said to
// compute in: written down by hand, so that the test does not believe the code.
type somewhere struct {
	provider, region, model string
	stated                  []string
	places                  []string
}

var somewheres = []somewhere{
	{provider: "openai", region: "eu-central-1", places: []string{"eu"}},
	{provider: "openai", region: "swedencentral", places: []string{"eu"}},
	{provider: "openai", region: "us-east-1", places: []string{"us"}},
	{provider: "openai", region: "eu-west-2", places: []string{"uk"}},
	{provider: "openai", region: "europe-west6", places: []string{"ch"}},
	{provider: "openai", region: "global"},
	{provider: "openai"},
	{provider: "openai", region: "us-east-1", stated: []string{"eu", "de"}, places: []string{"eu", "de"}},
	{provider: "bedrock", region: "eu-west-1", model: "vendor.x", places: []string{"eu"}},
	{provider: "bedrock", region: "eu-west-1", model: "eu.vendor.x", places: []string{"eu"}},
	{provider: "bedrock", region: "eu-west-1", model: "us.vendor.x"},
	{provider: "bedrock", region: "eu-west-1", model: "global.vendor.x"},
	{provider: "bedrock", region: "us-west-2", model: "us.vendor.x", places: []string{"us"}},
}

// unreliable is a target that fails at random, and writes down that it was asked.
type unreliable struct {
	name  string
	scene *scene
}

func (u *unreliable) write() int {
	s := u.scene
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, u.name)
	s.drawn++
	return s.fates[s.drawn%len(s.fates)]
}

// fail is an error for each fate but the good ones.
func (u *unreliable) fail() error {
	reasons := []llmv1.ErrorReason{
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
		llmv1.ErrorReason_ERROR_REASON_PROVIDER_TIMEOUT, llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH,
		llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
	}
	if n := u.write(); n < len(reasons) {
		return errs.New(reasons[n], "")
	}
	return nil
}

func (u *unreliable) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	if err := u.fail(); err != nil {
		return nil, err
	}
	m := model{text: "hello"}
	return m.Generate(ctx, r)
}

func (u *unreliable) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	switch n := u.write(); n {
	case 0, 1, 2, 3:
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "")
	case 4, 5: // cut after some content
		m := &model{text: "hello there", cut: errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "")}
		m.chunks = []*stream.Chunk{events(stream.Event{Kind: stream.Start, ID: "i", Model: "m"}), say("hello "), say("there")}[:n-2]
		return m.Stream(ctx, r)
	default:
		return (&model{text: "hello there"}).Stream(ctx, r)
	}
}

func (u *unreliable) Embed(ctx context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	if err := u.fail(); err != nil {
		return nil, err
	}
	return (&model{}).Embed(ctx, r)
}

func (u *unreliable) CountTokens(context.Context, *provider.Request) (int64, error) {
	u.write()
	return 1, nil
}

// scene is one draw: targets, a route over them, and who was asked.
type scene struct {
	targets []*target.Target
	kinds   map[string]somewhere
	route   route.Route
	fates   []int

	mu    sync.Mutex
	asked []string
	drawn int
}

// drawScene makes a scene that a configuration could have.
func drawScene(t *rapid.T) *scene {
	s := &scene{kinds: map[string]somewhere{}, route: route.Route{Model: "m"}}
	s.fates = rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(t, "fates")
	zero := 0
	for i := range rapid.IntRange(1, 6).Draw(t, "targets") {
		kind := rapid.SampledFrom(somewheres).Draw(t, "kind")
		name, upstream := string(rune('a'+i)), kind.model
		if upstream == "" {
			upstream = "m"
		}
		s.kinds[name] = kind
		made := &target.Target{
			Target: provider.Target{
				Name: name, Provider: kind.provider, Region: kind.region, Residency: kind.stated, Models: provider.NewModels("*"),
				Retries: &zero, Timeouts: provider.DefaultTimeouts,
			},
			Monitors: health.NewGroup(),
			Adapter:  &unreliable{name, s},
		}
		if rapid.Bool().Draw(t, "certified") {
			made.Compliance = []string{"regulated"}
		}
		s.targets = append(s.targets, made)
		s.route.Targets = append(s.route.Targets, route.Ref{Name: name, Model: upstream, Weight: rapid.IntRange(0, 3).Draw(t, "weight")})
	}
	places := []string{"", "", "eu", "us", "uk", "ch", "de"}
	s.route.Strategy = rapid.SampledFrom(route.Strategies()).Draw(t, "strategy")
	s.route.Residency = rapid.SampledFrom(places).Draw(t, "route residency")
	s.route.Compliance = rapid.SampledFrom([]string{"", "", "regulated"}).Draw(t, "route compliance")
	s.route.WhenUnhealthy = rapid.SampledFrom([]string{"", "degraded", "refuse"}).Draw(t, "when unhealthy")
	if rapid.Bool().Draw(t, "hedged") {
		s.route.Hedge = route.Hedge{After: route.Patience{Time: config.Duration(time.Nanosecond)}, Max: 2}
	}
	if rapid.Bool().Draw(t, "ruled") {
		any := []route.Selector{{Name: rapid.SampledFrom([]string{"*", "a", "b"}).Draw(t, "preferred")}}
		s.route.Rules = []route.Rule{{Name: "r", Prefer: any, Reweight: map[string]float64{"a": 9}}}
	}
	if rapid.IntRange(0, 3).Draw(t, "canary") == 0 {
		s.route.Canary = &route.Canary{Target: "a", Model: s.route.Targets[0].Model, Percent: 50}
	}
	return s
}

// whoWasAsked lists who was asked since the last time.
func (s *scene) whoWasAsked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// demanded are the jurisdictions and classes that a request must keep to.
type demanded struct{ places, classes []string }

func (s *scene) mayAsk(name string, d demanded) bool {
	i := slices.IndexFunc(s.targets, func(t *target.Target) bool { return t.Name == name })
	for _, place := range d.places {
		if place != "" && !slices.Contains(s.kinds[name].places, place) {
			return false
		}
	}
	for _, class := range d.classes {
		if class != "" && !slices.Contains(s.targets[i].Compliance, class) {
			return false
		}
	}
	return true
}

// Whatever is configured and whatever fails: no target outside of what is
// demanded is asked, tried next, hedged to, recovered on, or shown as a choice.
func TestDataNeverLeavesWhatIsDemanded(t *testing.T) {
	metrics, err := observe.NewMetrics(noop.NewMeterProvider().Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	log, reached := slog.New(slog.DiscardHandler), 0
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScene(rt)
		table, err := route.NewTable([]route.Route{s.route}, route.Surroundings{Targets: s.targets, Seed: 7})
		if err != nil {
			rt.Fatal(err)
		}
		w := newWorld(t)
		w.recorder.t = t
		p := New(&World{Targets: s.targets, Routes: table}, Peers{Holder: w.holder, Pricer: w.pricer, Recorder: w.recorder},
			limit.New(quota.New(time.Now), 100), attempt.NewRunner(attempt.Policy{MaxAttempts: 8}, log, metrics), log, w.options)
		for n := range rapid.IntRange(10, 40).Draw(rt, "requests") {
			places := []string{"", "", "eu", "eu", "us", "ch"}
			principal := *w.principal
			principal.Residency = rapid.SampledFrom(places).Draw(rt, "key residency")
			principal.Compliance = rapid.SampledFrom([]string{"", "regulated", "hipaa"}).Draw(rt, "key compliance")
			options := &routerv1.RequestOptions{
				Residency:  rapid.SampledFrom(places).Draw(rt, "option"),
				Compliance: rapid.SampledFrom([]string{"", "", "regulated"}).Draw(rt, "class"),
			}
			d := demanded{
				[]string{principal.Residency, s.route.Residency, options.GetResidency()},
				[]string{principal.Compliance, s.route.Compliance, options.GetCompliance()},
			}
			shown := ask1(rt, p, w, &principal, options, n)
			for _, name := range s.whoWasAsked() {
				if !s.mayAsk(name, d) {
					rt.Fatalf("%s in %q was asked, although %v is demanded", name, s.kinds[name].places, d)
				}
				if d.places[0]+d.places[1]+d.places[2] != "" {
					reached++
				}
			}
			for _, name := range shown {
				if !s.mayAsk(name, d) {
					rt.Fatalf("%s stands in the order, although %v is demanded", name, d)
				}
			}
		}
	})
	if reached < 20 && !testing.Short() { // with -short too few scenes are drawn to rely on it
		t.Errorf("only %d requests with a demand reached a target: the test shows nothing", reached)
	}
}

// ask1 sends one request in one of the ways that there are, and returns what
// the decision would try.
func ask1(t *rapid.T, p *Pipeline, w *world, principal *auth.Principal, options *routerv1.RequestOptions, n int) []string {
	ctx := context.Background()
	call := w.call("hello")
	call.Principal, call.Options, call.RequestID = principal, options, NewRequestID()
	switch rapid.IntRange(0, 3).Draw(t, "way") {
	case 0:
		_, _ = p.Generate(ctx, call)
	case 1:
		_ = p.Stream(ctx, call, &client{t: w.t, recorder: w.recorder})
	case 2:
		_, _ = p.Embed(ctx, &EmbedCall{
			RequestID: call.RequestID, Principal: principal, Options: options, Request: &provider.EmbedRequest{Model: "m", Inputs: []string{"x"}},
		})
	case 3:
		_, _ = p.CountTokens(ctx, call)
	}
	explained, err := p.Explain(ctx, call, n%2 == 0)
	if err != nil {
		return nil
	}
	var names []string
	for _, c := range explained.GetCandidates() {
		if !c.GetRejected() {
			names = append(names, c.GetTarget())
		}
	}
	return names
}

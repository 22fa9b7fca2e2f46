package route

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/catalog"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

const (
	unsupported = llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED
	exceeded    = llmv1.ErrorReason_ERROR_REASON_CONTEXT_EXCEEDED
)

// speaking makes a target whose adapter writes a dialect.
func speaking(t testing.TB, dialect, providerName, model string) *target.Target {
	t.Helper()
	made, err := target.Build([]provider.Target{{Name: dialect, Provider: providerName, Models: provider.NewModels(model)}},
		map[string]target.Kind{providerName: {
			Dialect: dialect, Also: []string{dialect + "-too"},
			New: func(provider.Target) (provider.Adapter, error) { return nil, nil },
		}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return made[0]
}

func knownModels(t testing.TB) *catalog.Catalog {
	t.Helper()
	c, err := catalog.New([]catalog.Entry{
		{Name: "all", Input: []string{"text", "image", "document", "audio"}, Lacks: []string{"embeddings"}, Context: 1000, Output: 100},
		{Name: "cool", Input: []string{"text"}, Lacks: []string{"embeddings", "temperature", "top_p"}},
		{Name: "vectors", Lacks: []string{"chat"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func asking(c *llmv1.Conversation) Question {
	return Question{Model: "m", Needs: capability.Chat | capability.Of(c), Conversation: c}
}

func user(parts ...*llmv1.Part) *llmv1.Conversation {
	if len(parts) == 0 {
		parts = []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: "hi"}}}}
	}
	return &llmv1.Conversation{Messages: []*llmv1.Message{{Role: llmv1.Role_ROLE_USER, Parts: parts}}}
}

func sampled(s *llmv1.Sampling) *llmv1.Conversation {
	c := user()
	c.Sampling = s
	return c
}

func image() *llmv1.Conversation {
	return user(&llmv1.Part{Content: &llmv1.Part_Image{Image: &llmv1.Image{Blob: &llmv1.Blob{Source: &llmv1.Blob_Data{Data: []byte("x")}}}}})
}

func cached() *llmv1.Conversation {
	c := user()
	c.Messages[0].Parts = append(c.Messages[0].Parts, &llmv1.Part{Content: &llmv1.Part_CachePoint{CachePoint: &llmv1.CachePoint{}}})
	return c
}

// Each rule with one candidate: who is admitted, what it is not told, and whose
// parameter is to blame if it is not.
func TestRules(t *testing.T) {
	for _, c := range []struct {
		name           string
		dialect, wire  string
		model          string
		conversation   *llmv1.Conversation
		unexpressed    []string
		drop           bool
		want           llmv1.ErrorReason // 0 if admitted
		field, dropped string
		native         bool
	}{
		{name: "nothing special", wire: "gemini", conversation: user()},
		{name: "the same dialect passes all", dialect: "anthropic", wire: "anthropic", conversation: sampled(&llmv1.Sampling{Seed: proto.Int64(1)}), unexpressed: []string{"container"}, native: true},
		{name: "another dialect that passes", dialect: "openai-too", wire: "openai", conversation: user(), unexpressed: []string{"logit_bias"}, native: true},
		{name: "the same dialect, a model that cannot see", dialect: "openai", wire: "openai", model: "cool", conversation: image(), want: unsupported, field: "messages[].content[].image_url"},
		{name: "the same dialect, a parameter that the model lacks", dialect: "openai", wire: "openai", model: "cool", conversation: sampled(&llmv1.Sampling{Temperature: proto.Float64(1)}), native: true},
		{name: "a parameter without a place", dialect: "openai", wire: "anthropic", conversation: sampled(&llmv1.Sampling{Seed: proto.Int64(1)}), want: unsupported, field: "seed"},
		{name: "dropped", dialect: "openai", wire: "anthropic", conversation: sampled(&llmv1.Sampling{Seed: proto.Int64(1)}), drop: true, dropped: "seed"},
		{name: "in another dialect's name", dialect: "gemini", wire: "openai", conversation: sampled(&llmv1.Sampling{TopK: proto.Int32(1)}), want: unsupported, field: "generationConfig.topK"},
		{name: "in the canonical name", wire: "openai", conversation: sampled(&llmv1.Sampling{TopK: proto.Int32(1)}), want: unsupported, field: "conversation.sampling.top_k"},
		{name: "a parameter that the model lacks", dialect: "anthropic", wire: "openai", model: "cool", conversation: sampled(&llmv1.Sampling{Temperature: proto.Float64(1)}), want: unsupported, field: "temperature"},
		{name: "what the canonical form lacks", dialect: "openai", wire: "gemini", conversation: user(), unexpressed: []string{"logit_bias"}, want: unsupported, field: "logit_bias"},
		{name: "that, dropped", dialect: "openai", wire: "gemini", conversation: sampled(&llmv1.Sampling{Seed: proto.Int64(1)}), unexpressed: []string{"logit_bias"}, drop: true, dropped: "logit_bias"},
		{name: "a hint that the canonical form lacks", dialect: "openai", wire: "gemini", conversation: user(), unexpressed: []string{"store"}, dropped: "store"},
		{name: "a hint", dialect: "anthropic", wire: "openai", conversation: cached(), dropped: "cache_control"},
		{name: "content is never dropped", dialect: "openai", wire: "titan", conversation: image(), drop: true, want: unsupported, field: "messages[].content[].image_url"},
		{name: "a model for vectors", wire: "openai", model: "vectors", conversation: user(), want: unsupported, field: "conversation.messages"},
		{name: "too long an answer", dialect: "openai", wire: "gemini", conversation: sampled(&llmv1.Sampling{MaxOutputTokens: proto.Int64(101)}), want: unsupported, field: "max_completion_tokens"},
		{name: "too long an answer, dropped", dialect: "openai", wire: "gemini", conversation: sampled(&llmv1.Sampling{MaxOutputTokens: proto.Int64(101)}), drop: true, dropped: "max_completion_tokens"},
		{name: "as long an answer as there is", wire: "gemini", conversation: sampled(&llmv1.Sampling{MaxOutputTokens: proto.Int64(100)})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.model == "" {
				c.model = "all"
			}
			to := speaking(t, c.wire, "p", c.model)
			table, err := NewTable([]Route{{
				Model: "m", Targets: []Ref{{Name: c.wire, Model: c.model, Weight: 1}}, DropUnsupported: c.drop,
			}}, Surroundings{Targets: []*target.Target{to}, Models: knownModels(t)})
			if err != nil {
				t.Fatal(err)
			}
			q := asking(c.conversation)
			q.Dialect, q.Unexpressed = c.dialect, c.unexpressed
			e, _ := table.Match("m")
			var d Decision
			e.Candidates(q, &d)
			if c.want != 0 {
				got := errs.From(d.Err())
				if got == nil || got.Reason != c.want || got.Field != c.field {
					t.Errorf("error %+v, want %v for %q", got, c.want, c.field)
				}
				return
			}
			if len(d.Order) != 1 {
				t.Fatalf("rejected: %v", d.Err())
			}
			if got := strings.Join(d.Fields(d.Order[0]), ","); got != c.dropped || d.Order[0].Native != c.native {
				t.Errorf("dropped %q, native %v; want %q, %v", got, d.Order[0].Native, c.dropped, c.native)
			}
		})
	}
}

// One target's refusal must not hide that another one answers, and of several
// refusals the one that looked furthest is told.
func TestRefusalsLeaveOthersAlone(t *testing.T) {
	a, b := speaking(t, "anthropic", "a", "all"), speaking(t, "openai", "b", "all")
	table, err := NewTable([]Route{{Model: "m", Targets: []Ref{
		{Name: "anthropic", Model: "all", Weight: 1}, {Name: "openai", Model: "all", Weight: 1},
	}}}, Surroundings{Targets: []*target.Target{a, b}, Models: knownModels(t)})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := table.Match("m")
	var d Decision
	q := asking(sampled(&llmv1.Sampling{Seed: proto.Int64(1)}))
	e.Candidates(q, &d)
	if len(d.Order) != 1 || d.Order[0].Target != b {
		t.Fatalf("order %+v", d.Order)
	}
	d.Decide()
	explained := d.Explain()
	if got := explained.GetCandidates()[1].GetReason(); !strings.Contains(got, "conversation.sampling.seed") {
		t.Errorf("reason %q", got)
	}
	q = asking(sampled(&llmv1.Sampling{Seed: proto.Int64(1), TopK: proto.Int32(1)}))
	e.Candidates(q, &d)
	if got := errs.From(d.Err()); got == nil || got.Field != "conversation.sampling.seed" {
		t.Errorf("error %+v", got)
	}
}

func TestContextSize(t *testing.T) {
	to := speaking(t, "openai", "p", "all")
	table, err := NewTable([]Route{{Model: "m", Targets: []Ref{{Name: "openai", Model: "all", Weight: 1}}}}, Surroundings{Targets: []*target.Target{to}, Models: knownModels(t)})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := table.Match("m")
	for words, want := range map[int]llmv1.ErrorReason{10: 0, 900: 0, 2000: exceeded} {
		c := user(&llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: strings.Repeat("word ", words)}}})
		q := asking(c)
		q.Input = int64(words)
		for _, dialect := range []string{"", "openai"} { // native or not, nobody reads more than he can
			q.Dialect = dialect
			var d Decision
			e.Candidates(q, &d)
			if got := errs.From(d.Err()); want == 0 && got != nil || want != 0 && (got == nil || got.Reason != want || !strings.Contains(got.Message, "larger context needed")) {
				t.Errorf("%d words: %v", words, got)
			}
		}
	}
}

func TestDefaultsAreTheOperatorsToAnswerFor(t *testing.T) {
	to := speaking(t, "openai", "p", "cool")
	table, err := NewTable([]Route{{
		Model: "m", Targets: []Ref{{Name: "openai", Model: "cool", Weight: 1}},
		Defaults: Defaults{Temperature: proto.Float64(.2), Seed: proto.Int64(7), MaxOutputTokens: proto.Int64(50)},
	}}, Surroundings{Targets: []*target.Target{to}, Models: knownModels(t)})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := table.Match("m")
	var d Decision
	e.Candidates(asking(user()), &d)
	if len(d.Order) != 1 || strings.Join(d.Fields(d.Order[0]), ",") != "conversation.sampling.temperature" {
		t.Fatalf("order %+v: %v", d.Order, d.Err())
	}
	e.Candidates(asking(sampled(&llmv1.Sampling{Temperature: proto.Float64(.2)})), &d)
	if !errs.Is(d.Err(), unsupported) {
		t.Errorf("the client's own temperature: %v", d.Err())
	}
}

func TestDefaultsFillUp(t *testing.T) {
	d := Defaults{
		Temperature: proto.Float64(.2), TopP: proto.Float64(.9), TopK: proto.Int32(3), MaxOutputTokens: proto.Int64(50), Seed: proto.Int64(7),
		PresencePenalty: proto.Float64(.1), FrequencyPenalty: proto.Float64(.3), Stop: []string{"x"},
	}
	all := &llmv1.Sampling{
		Temperature: d.Temperature, TopP: d.TopP, TopK: d.TopK, MaxOutputTokens: d.MaxOutputTokens, Seed: d.Seed,
		PresencePenalty: d.PresencePenalty, FrequencyPenalty: d.FrequencyPenalty, Stop: d.Stop,
	}
	if got := d.For(nil); !proto.Equal(got, all) {
		t.Errorf("a client that sets nothing takes %v", got)
	}
	own := &llmv1.Sampling{Temperature: proto.Float64(0), CandidateCount: proto.Int32(2), Stop: []string{"y"}}
	taken := d.For(own)
	if taken.Temperature != nil || taken.GetStop() != nil || taken.GetSeed() != 7 {
		t.Errorf("a client that sets something takes %v", taken)
	}
	merged := Merge(own, taken)
	if merged.GetTemperature() != 0 || merged.GetCandidateCount() != 2 || merged.GetStop()[0] != "y" || merged.GetTopP() != .9 || merged.GetSeed() != 7 {
		t.Errorf("merged %v", merged)
	}
	// A field that the canonical form gains must be filled up too.
	if !proto.Equal(Merge(all, own), func() *llmv1.Sampling {
		m := proto.Clone(all).(*llmv1.Sampling)
		m.CandidateCount = proto.Int32(2)
		return m
	}()) {
		t.Error("merging lost a field")
	}
	if n := all.ProtoReflect().Descriptor().Fields().Len(); n != 9 {
		t.Errorf("sampling has %d fields: see whether defaults should have them all", n)
	}
	if (&Defaults{}).For(own) != nil {
		t.Error("no defaults give something")
	}
}

func TestInstructionsByProvider(t *testing.T) {
	in := Instructions{"default": "be kind", "anthropic": "be brief", "gemini": ""}
	for provider, want := range map[string]string{"openai": "be kind", "anthropic": "be brief", "gemini": ""} {
		if got := in.For(provider); got != want {
			t.Errorf("%s is told %q", provider, got)
		}
	}
	if in.Longest() != "be brief" || Instructions(nil).Longest() != "" {
		t.Error("longest")
	}
	to := speaking(t, "titan", "p", "all")
	table, err := NewTable([]Route{{Model: "m", Targets: []Ref{{Name: "titan", Model: "all", Weight: 1}}, Instructions: in}}, Surroundings{Targets: []*target.Target{to}, Models: knownModels(t)})
	if err != nil {
		t.Fatal(err)
	}
	e, _ := table.Match("m")
	var d Decision
	if e.Candidates(asking(user()), &d); !errs.Is(d.Err(), unsupported) {
		t.Errorf("a target that takes no instructions: %v", d.Err())
	}
}

func TestValidateDefaultsAndInstructions(t *testing.T) {
	v := config.NewValidator()
	Validate(v.At("routes"), []Route{{
		Model: "m", Targets: refs("a"),
		Defaults: Defaults{
			Temperature: proto.Float64(3), TopP: proto.Float64(2), TopK: proto.Int32(-1), MaxOutputTokens: proto.Int64(0),
			PresencePenalty: proto.Float64(3), FrequencyPenalty: proto.Float64(-3), Stop: make([]string, 17),
		},
		Instructions: Instructions{"default": " ", "nobody": "x"},
	}}, []provider.Target{{Name: "a", Provider: "openai", Models: provider.NewModels("m")}})
	got := v.Err().Error()
	for _, want := range []string{
		"defaults.temperature", "defaults.top_p", "defaults.top_k", "defaults.max_output_tokens", "defaults.presence_penalty",
		"defaults.frequency_penalty", "defaults.stop", "instructions.default", "instructions.nobody",
	} {
		if !strings.Contains(got, "routes[0]."+want) {
			t.Errorf("not reported: %s", want)
		}
	}
}

func TestModelsShowWhatIsKnown(t *testing.T) {
	table, err := NewTable([]Route{{Model: "m", Targets: []Ref{{Name: "openai", Model: "all", Weight: 1}, {Name: "gemini", Model: "cool", Weight: 1}}}},
		Surroundings{Targets: []*target.Target{speaking(t, "openai", "p", "all"), speaking(t, "gemini", "q", "cool")}, Models: knownModels(t)})
	if err != nil {
		t.Fatal(err)
	}
	m := table.Models(Caller{})[0]
	if m.Context != 1000 || m.Output != 100 || strings.Join(m.Input, ",") != "text" {
		t.Errorf("model %+v", m)
	}
}

func TestTranslatingDoesNotAllocate(t *testing.T) {
	to := []*target.Target{speaking(t, "anthropic", "a", "*"), speaking(t, "openai", "b", "*")}
	models, err := catalog.Default()
	if err != nil {
		t.Fatal(err)
	}
	table, err := NewTable([]Route{{Model: "*", Targets: []Ref{{Name: "anthropic", Weight: 1}, {Name: "openai", Weight: 1}}}}, Surroundings{Targets: to, Models: models})
	if err != nil {
		t.Fatal(err)
	}
	c := cached()
	var d Decision
	decide := func() {
		q := asking(c)
		q.Model, q.Dialect = "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic"
		e, _ := table.Match(q.Model)
		e.Candidates(q, &d)
		d.Decide()
	}
	decide()
	if len(d.Order) != 2 || d.Order[0].Known == nil || !d.Order[0].Native || d.Order[1].Native {
		t.Fatalf("order %+v: %v", d.Order, d.Err())
	}
	if n := testing.AllocsPerRun(100, decide); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestRouteSettingsAreRead(t *testing.T) {
	var f struct {
		Routes []Route `yaml:"routes"`
	}
	if err := config.Parse([]byte(`
routes:
  - model: m
    targets: [a]
    drop_unsupported: true
    defaults: {temperature: 0, top_p: 0.9, top_k: 5, max_output_tokens: 100, seed: 7, presence_penalty: 0.5, frequency_penalty: -1, stop: [END]}
    instructions: {default: "Be brief.", openai: ""}
`), nil, &f); err != nil {
		t.Fatal(err)
	}
	r := f.Routes[0]
	if got := r.Defaults.For(nil); !r.DropUnsupported || got.Temperature == nil || got.GetTemperature() != 0 || got.GetTopK() != 5 ||
		got.GetFrequencyPenalty() != -1 || len(got.GetStop()) != 1 || got.GetSeed() != 7 {
		t.Errorf("route %+v with %v", r, got)
	}
	if r.Instructions.For("openai") != "" || r.Instructions.For("gemini") != "Be brief." {
		t.Errorf("instructions %q", r.Instructions)
	}
	v := config.NewValidator()
	if Validate(v.At("routes"), f.Routes, []provider.Target{{Name: "a", Provider: "openai", Models: provider.NewModels("*")}}); v.Err() != nil {
		t.Error(v.Err())
	}
}

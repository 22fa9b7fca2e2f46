package pipeline

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// native is a client's own request in a dialect.
type native struct {
	dialect     string
	unexpressed []string
}

func (n native) Dialect() string                              { return n.dialect }
func (n native) Unexpressed() []string                        { return n.unexpressed }
func (native) Render(*provider.Request, bool) ([]byte, error) { return nil, nil }

// twoDialects makes the first target speak Anthropic's format and the second OpenAI's.
func twoDialects(t *target.Target) {
	t.Provider, t.Dialect = "anthropic", "anthropic"
	if t.Name == "b" {
		t.Provider, t.Dialect = "openai", "openai"
	}
	t.Wire = capability.Wire(t.Dialect)
}

// Each attempt asks for what its own target can be told: the fallback gets
// what the first one could not have, and the report is about the one that answered.
func TestEachCandidateGetsItsOwnRequest(t *testing.T) {
	w := newWorld(t)
	w.shape = twoDialects
	w.route.DropUnsupported = true
	w.model.err = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "")
	call := w.call("hi")
	call.Conversation.Sampling = &llmv1.Sampling{Seed: proto.Int64(7), TopK: proto.Int32(3)}
	call.Native = native{"gemini", []string{"safetySettings"}}
	before := proto.Clone(call.Conversation)
	got, err := w.pipeline().Generate(context.Background(), call)
	if err != nil {
		t.Fatal(err)
	}
	first, second := w.model.asked[0].Conversation.GetSampling(), w.second.asked[0].Conversation.GetSampling()
	if first.Seed != nil || first.GetTopK() != 3 || second.GetSeed() != 7 || second.TopK != nil {
		t.Errorf("the first was asked with %v, the second with %v", first, second)
	}
	if want := []string{"safetySettings", "generationConfig.topK"}; !slices.Equal(got.Report.GetDropped(), want) {
		t.Errorf("dropped %q, want %q", got.Report.GetDropped(), want)
	}
	if !proto.Equal(call.Conversation, before) {
		t.Error("the call was changed")
	}
	w.settled()
}

func TestWhatCannotBeToldIsRefusedBeforeAnythingIsHeld(t *testing.T) {
	w := newWorld(t)
	w.shape = twoDialects
	call := w.call("hi")
	call.Native = native{"gemini", []string{"safetySettings"}}
	_, err := w.pipeline().Generate(context.Background(), call)
	if e := errs.From(err); e == nil || e.Reason != llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED || e.Field != "safetySettings" || e.HTTPStatus() != 400 {
		t.Errorf("error %+v", err)
	}
	if len(w.holder.requests) != 0 || len(w.model.asked) != 0 {
		t.Error("it went on all the same")
	}
}

func TestDefaultsAndInstructionsReachEveryTarget(t *testing.T) {
	w := newWorld(t)
	w.shape = twoDialects
	w.model.err = errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "")
	w.route.Defaults = route.Defaults{Temperature: proto.Float64(.2), Seed: proto.Int64(7), MaxOutputTokens: proto.Int64(900)}
	w.route.Instructions = route.Instructions{"default": "be kind", "anthropic": "be brief"}
	call := w.call("hi")
	call.Conversation.Sampling = &llmv1.Sampling{TopP: proto.Float64(.5)}
	call.Native = native{dialect: "openai"}
	got, err := w.pipeline().Generate(context.Background(), call)
	if err != nil {
		t.Fatal(err)
	}
	first, second := w.model.asked[0], w.second.asked[0]
	for _, r := range []*provider.Request{first, second} {
		s := r.Conversation.GetSampling()
		if s.GetTemperature() != .2 || s.GetTopP() != .5 || s.GetMaxOutputTokens() != 900 || r.Defaults.GetTemperature() != .2 || r.Defaults.TopP != nil {
			t.Errorf("asked with %v, of which %v are defaults", s, r.Defaults)
		}
		if text := r.Conversation.GetMessages()[0].GetParts()[0].GetText().GetText(); text != r.Instructions || len(r.Conversation.GetMessages()) != 3 {
			t.Errorf("instructions %q, first message %q", r.Instructions, text)
		}
	}
	if first.Instructions != "be brief" || second.Instructions != "be kind" {
		t.Errorf("told %q and %q", first.Instructions, second.Instructions)
	}
	// Anthropic has no seed: that is the operator's, so it is left out there.
	if first.Defaults.Seed != nil || first.Conversation.GetSampling().Seed != nil || second.Defaults.GetSeed() != 7 {
		t.Errorf("seeds %v and %v", first.Defaults, second.Defaults)
	}
	if len(got.Report.GetDropped()) != 0 {
		t.Errorf("the second dropped %q", got.Report.GetDropped())
	}
	if worst := w.holder.requests[0].GetCandidates()[0].GetWorstCase().GetOutputTokens(); worst != 900 {
		t.Errorf("%d tokens of output are held", worst)
	}
}

func TestMaskedTextsAreStrippedToo(t *testing.T) {
	w := newWorld(t)
	w.shape = twoDialects
	call := w.call("a secret")
	call.Conversation.Messages[1].Name = "eve"
	if _, err := w.pipeline().Generate(context.Background(), call); err != nil {
		t.Fatal(err)
	}
	m := w.model.asked[0].Conversation.GetMessages()[1]
	if m.GetName() != "" || strings.Contains(m.GetParts()[0].GetText().GetText(), "secret") {
		t.Errorf("asked with %v", m)
	}
}

// Where nothing changes nothing is copied.
func TestPlainRequestsAreNotCopied(t *testing.T) {
	w := newWorld(t)
	w.shape = twoDialects
	call := w.call("hi")
	if _, err := w.pipeline().Generate(context.Background(), call); err != nil {
		t.Fatal(err)
	}
	if w.model.asked[0].Conversation != call.Conversation {
		t.Error("the conversation was copied")
	}
}

func TestModelsOfTheCatalogue(t *testing.T) {
	// Without a catalogue nothing is known, and nothing is made up.
	w := newWorld(t)
	w.route.Targets = []route.Ref{{Name: "a", Model: "gpt-4o", Weight: 1}}
	models := w.pipeline().Models(w.principal)
	if len(models) != 1 || models[0].GetContextTokens() != 0 || models[0].GetRetireDate() != "" {
		t.Errorf("models %v", models)
	}
}

// Marks of the prompt cache are placed for targets that know them, and for no others.
func TestCachePointsArePlaced(t *testing.T) {
	marks := func(r *provider.Request) (n int) {
		for _, m := range r.Conversation.GetMessages() {
			for _, p := range m.GetParts() {
				if p.GetCachePoint() != nil {
					n++
				}
			}
		}
		return n
	}
	for _, tc := range []struct {
		name, auto string
		native     provider.NativeRequest
		lacks      capability.Set
		want       [2]int  // in the conversation, of Anthropic's target and of OpenAI's
		told       [2]bool // whether the client's own request is told of them
	}{
		{"auto", route.PromptCacheAuto, nil, 0, [2]int{1, 0}, [2]bool{true, false}},
		{"not asked for", "", nil, 0, [2]int{0, 0}, [2]bool{false, false}},
		{"as the client wrote it", route.PromptCacheAuto, native{dialect: "anthropic"}, 0, [2]int{0, 0}, [2]bool{true, false}},
		{"not asked for there", "", native{dialect: "anthropic"}, 0, [2]int{0, 0}, [2]bool{false, false}},
		{"by a model that has none", route.PromptCacheAuto, native{dialect: "anthropic"}, capability.CachePoints, [2]int{0, 0}, [2]bool{false, false}},
		{"in a format that has none", route.PromptCacheAuto, native{dialect: "openai"}, 0, [2]int{1, 0}, [2]bool{true, false}},
	} {
		w := newWorld(t)
		w.route.PromptCache = tc.auto
		w.shape = func(t *target.Target) {
			twoDialects(t)
			t.Lacks = tc.lacks
		}
		w.model.err = errs.New(down, "")
		call := w.call("hello")
		call.Native = tc.native
		call.Conversation.Messages[0].Parts = []*llmv1.Part{textPart(strings.Repeat("rules and more rules ", 1000))}
		if _, err := w.pipeline().Generate(context.Background(), call); err != nil {
			t.Fatal(err)
		}
		first, second := w.model.asked[0], w.second.asked[0]
		if got := [2]int{marks(first), marks(second)}; got != tc.want {
			t.Errorf("%s: %v marks, want %v", tc.name, got, tc.want)
		}
		if got := [2]bool{first.CachePoints.Instructions, second.CachePoints.Instructions}; got != tc.told {
			t.Errorf("%s: told %v, want %v", tc.name, got, tc.told)
		}
	}
}

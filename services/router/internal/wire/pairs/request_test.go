package pairs

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// asked is what of a request must not change on its way.
type asked struct {
	texts, calls, tools, media []string
}

func askedOf(c *llmv1.Conversation) (a asked) {
	for _, t := range conversation.Texts(c) {
		texts := []string{*t.Value}
		if t.Kind == guardrailv1.ContentKind_CONTENT_KIND_TOOL_RESULT {
			texts = strings.Split(*t.Value, "\n") // some formats have one text in a result, of a line for each
		}
		for _, text := range texts {
			if strings.TrimSpace(text) != "" {
				a.texts = append(a.texts, text)
			}
		}
	}
	for _, m := range c.GetMessages() {
		a.parts(m.GetParts())
	}
	for _, t := range c.GetTools() {
		a.tools = append(a.tools, t.GetName()+"|"+t.GetDescription()+"|"+parameters(t))
	}
	// Instructions behind the first turn move to the front where a format has
	// no other place, and texts and results of one turn may change places.
	slices.Sort(a.texts)
	return a
}

// parameters are a tool's. One that takes none may say so in any way, and where
// they are strict, some formats want it said that there are no others.
func parameters(t *llmv1.Tool) string {
	var schema struct{ Properties map[string]any }
	if json.Unmarshal([]byte(t.GetParameters()), &schema) != nil || len(schema.Properties) == 0 {
		return "none"
	}
	return strings.Replace(t.GetParameters(), `"additionalProperties":false,`, "", 1)
}

func (a *asked) parts(parts []*llmv1.Part) {
	for _, p := range parts {
		switch {
		case p.GetToolCall() != nil:
			a.calls = append(a.calls, p.GetToolCall().GetName()+p.GetToolCall().GetArguments())
		case p.GetToolResult() != nil:
			a.parts(p.GetToolResult().GetParts())
		case p.GetImage() != nil:
			a.media = append(a.media, "image "+written(p.GetImage().GetBlob()))
		case p.GetDocument() != nil:
			a.media = append(a.media, "document "+written(p.GetDocument().GetBlob()))
		case p.GetAudio() != nil:
			a.media = append(a.media, "audio "+written(p.GetAudio().GetBlob()))
		}
	}
}

func written(b *llmv1.Blob) string { return string(b.GetData()) + b.GetUri() }

func broken(c *llmv1.Conversation) bool {
	for _, m := range c.GetMessages() {
		for _, p := range m.GetParts() {
			if call := p.GetToolCall(); call != nil && !isObject(call.GetArguments()) {
				return true
			}
		}
	}
	return false
}

// stripped is the conversation as an adapter gets it; false if the target would
// not be asked, because it lacks content.
func stripped(c *llmv1.Conversation, to target) (*llmv1.Conversation, bool) {
	lacks := capability.Wire(to.name)
	if capability.Of(c).Lost(lacks).Content() != capability.None {
		return nil, false
	}
	return capability.Strip(c, lacks), true
}

func differ(t testing.TB, what string, got, want []string, out []byte) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("%s:\ngot  %q\nwant %q\n%s", what, got, want, out)
	}
}

// translate sends a request to a target and reads it there. Without content
// that the target lacks it arrives, or is refused for a reason that it names.
func translate(t testing.TB, from client, to target, raw []byte, must bool) {
	t.Helper()
	_, c, err := from.parse(bytes.Clone(raw))
	if err != nil {
		if must || errs.From(err).Reason == llmv1.ErrorReason_ERROR_REASON_INTERNAL {
			t.Fatalf("%s: %v", from.name, err)
		}
		return
	}
	c, ok := stripped(c, to)
	if !ok && must {
		t.Fatalf("%s lacks %v", to.name, capability.Of(c).Lost(capability.Wire(to.name)).Content())
	} else if !ok {
		return
	}
	before := proto.CloneOf(c)
	for _, streamed := range []bool{false, true} {
		out, err := to.encode(&provider.Request{Conversation: c, Model: to.model}, streamed)
		if !proto.Equal(before, c) {
			t.Fatalf("%s changed the conversation", to.name)
		}
		if err != nil {
			if must || !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED) && !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT) {
				t.Fatalf("%s→%s: %v\n%s", from.name, to.name, err, raw)
			}
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%s→%s: not JSON: %q", from.name, to.name, out)
		}
		arrives(t, from.name+"→"+to.name, to, c, out)
	}
}

func arrives(t testing.TB, pair string, to target, c *llmv1.Conversation, out []byte) {
	t.Helper()
	_, there, err := to.client().parse(out)
	if err != nil {
		t.Fatalf("%s: %v\n%s", pair, err, out)
	}
	if broken(c) {
		return // arguments that are no object stand within one, where one is needed
	}
	got, want := askedOf(there), askedOf(c)
	differ(t, pair+": texts", got.texts, want.texts, out)
	differ(t, pair+": calls", got.calls, want.calls, out)
	differ(t, pair+": tools", got.tools, want.tools, out)
	differ(t, pair+": media", got.media, want.media, out)
}

func TestRequests(t *testing.T) {
	for _, from := range clients {
		_, c, err := from.parse(recorded(t, from.name, "request.json"))
		if err != nil {
			t.Fatal(err)
		}
		if a := askedOf(c); len(a.texts) < 8 || len(a.calls) != 2 || len(a.tools) != 2 || len(a.media) != 1 {
			t.Errorf("%s asks %d texts: %q", from.name, len(a.texts), a)
		}
		for _, to := range targets {
			t.Run(from.name+"→"+to.name, func(t *testing.T) {
				translate(t, from, to, recorded(t, from.name, "request.json"), true)
				translate(t, from, to, recorded(t, from.name, "rich.json"), true)
			})
		}
	}
}

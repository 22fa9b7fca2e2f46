package pairs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// answered is what of an answer must not change on its way.
type answered struct {
	text, calls []string
	finish      llmv1.FinishReason
	tokens      string
}

func answeredOf(c *llmv1.Completion) (a answered) {
	for i, candidate := range c.GetCandidates() {
		if i > 0 {
			break // most formats have one
		}
		var text string
		for _, p := range candidate.GetMessage().GetParts() {
			text += p.GetText().GetText()
			if call := p.GetToolCall(); call != nil {
				a.calls = append(a.calls, call.GetName()+call.GetArguments())
			}
		}
		a.text, a.finish = []string{text}, candidate.GetFinishReason()
	}
	a.tokens = tokens(c.GetUsage())
	return a
}

// malformed says whether a call has arguments that no tool takes.
func malformed(c *llmv1.Completion) bool {
	for _, candidate := range c.GetCandidates() {
		for _, p := range candidate.GetMessage().GetParts() {
			if call := p.GetToolCall(); call != nil && !isObject(call.GetArguments()) {
				return true
			}
		}
	}
	return false
}

func isObject(arguments string) bool {
	return json.Valid([]byte(arguments)) && strings.HasPrefix(strings.TrimSpace(arguments), "{")
}

// tokens writes the tokens that every format tells apart.
func tokens(u *llmv1.Usage) string {
	if u == nil {
		return "none"
	}
	return fmt.Sprint(u.GetInputTokens()+u.GetCacheWrite_5MTokens()+u.GetCacheWrite_1HTokens(), " ", u.GetCacheReadTokens(), " ", u.GetOutputTokens()+u.GetReasoningTokens())
}

// passOn hands an answer to a client of another format and reads it there.
func passOn(t testing.TB, from target, to client, raw []byte, must bool) {
	t.Helper()
	c, err := from.decode(bytes.Clone(raw))
	if err != nil {
		if must || errs.From(err).Reason == llmv1.ErrorReason_ERROR_REASON_INTERNAL {
			t.Fatalf("%s: %v", from.name, err)
		}
		return
	}
	out := to.answer(&provider.Answer{Completion: c, Native: raw, Dialect: from.name})
	if from.name == to.name {
		if must && !bytes.Equal(out, raw) {
			t.Fatalf("%s: not as it came:\n%s\n%s", from.name, out, raw)
		}
		out = to.answer(&provider.Answer{Completion: c})
	}
	pair := from.name + "→" + to.name
	if !json.Valid(out) {
		t.Fatalf("%s: not JSON: %q", pair, out)
	}
	there, err := to.ear().decode(out)
	if !must && malformed(c) {
		return // some formats tell the client just that
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", pair, err, out)
	}
	if !must {
		return
	}
	got, want := answeredOf(there), answeredOf(c)
	differ(t, pair+": text", got.text, want.text, out)
	differ(t, pair+": calls", got.calls, want.calls, out)
	if got.finish != want.finish || got.tokens != want.tokens {
		t.Fatalf("%s: %v %s, not %v %s\n%s", pair, got.finish, got.tokens, want.finish, want.tokens, out)
	}
}

func TestAnswers(t *testing.T) {
	for _, from := range targets {
		raw := recorded(t, from.name, "answer.json")
		c, err := from.decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		if a := answeredOf(c); len(a.calls) != 1 || len(a.text[0]) < 100 || a.tokens != "303 128 64" || a.finish != llmv1.FinishReason_FINISH_REASON_TOOL_CALLS {
			t.Errorf("%s says %v", from.name, a)
		}
		for _, to := range clients {
			t.Run(from.name+"→"+to.name, func(t *testing.T) { passOn(t, from, to, raw, true) })
		}
	}
}

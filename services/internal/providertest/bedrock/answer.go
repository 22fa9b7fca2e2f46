package bedrock

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

// answer is a reply in Converse's form.
type answer struct {
	*providertest.Reply
	req *request
}

func (a answer) does(behaviour string) bool {
	return providertest.Behaviour(a.req.asked.Model) == behaviour
}

func (e *exchange) converse() *awstest.Fault {
	req, err := parse(e.rec.Body, e.model)
	if err != nil {
		return invalid(err.Error())
	}
	a := answer{e.Reply(&req.asked, e.rec), req}
	if a.does(providertest.ContentFilter) { // a guardrail says so in an answer
		a.Text, a.Calls, a.Thoughts = "Sorry, the guardrail blocked this.", nil, ""
	}
	if e.rec.Stream {
		e.stream(a)
		return nil
	}
	e.WriteAnswer(e.w, e.r, e.model, a.whole())
	return nil
}

var stopReasons = map[string]string{
	providertest.FinishEnd: "end_turn", providertest.FinishLength: "max_tokens", providertest.FinishStop: "stop_sequence",
	providertest.FinishTools: "tool_use", providertest.FinishRefusal: "content_filtered",
}

func (a answer) stop() string {
	if a.does(providertest.ContentFilter) {
		return "guardrail_intervened"
	}
	return stopReasons[a.Finish]
}

// usage counts; the input does not include what was cached, the total does.
func (a answer) usage() map[string]any {
	u := a.Usage
	out := map[string]any{
		"inputTokens": u.Prompt - u.CacheRead - u.CacheWrite, "outputTokens": u.Output, "totalTokens": u.Prompt + u.Output,
		"cacheReadInputTokens": u.CacheRead, "cacheWriteInputTokens": u.CacheWrite,
	}
	if u.CacheWrite > 0 {
		ttl := a.req.ttl
		if ttl == "" {
			ttl = "5m"
		}
		out["cacheDetails"] = []any{map[string]any{"ttl": ttl, "inputTokens": u.CacheWrite}}
	}
	return out
}

// block is one block of the answer: whole, and as it is streamed.
type block struct {
	whole  map[string]any
	start  map[string]any // nil: it begins with its first delta
	deltas []map[string]any
}

func reasoning(member string, value any) map[string]any {
	return map[string]any{"reasoningContent": map[string]any{member: value}}
}

func (a answer) blocks() []block {
	var out []block
	if a.Thoughts != "" {
		signature := providertest.Signature(a.Thoughts)
		b := block{whole: reasoning("reasoningText", map[string]any{"text": a.Thoughts, "signature": signature})}
		for _, piece := range providertest.Pieces(a.Thoughts) {
			b.deltas = append(b.deltas, reasoning("text", piece))
		}
		b.deltas = append(b.deltas, reasoning("signature", signature))
		out = append(out, b)
	}
	if a.Redacted {
		r := reasoning("redactedContent", secret)
		out = append(out, block{whole: r, deltas: []map[string]any{r}})
	}
	if a.Text != "" {
		b := block{whole: map[string]any{"text": a.Text}}
		for _, piece := range providertest.Pieces(a.Text) {
			b.deltas = append(b.deltas, map[string]any{"text": piece})
		}
		out = append(out, b)
	}
	for _, call := range a.Calls {
		id := fmt.Sprintf("tooluse_%d", call.Index)
		b := block{
			whole: map[string]any{"toolUse": map[string]any{"toolUseId": id, "name": call.Name, "input": json.RawMessage(call.Arguments)}},
			start: map[string]any{"toolUse": map[string]any{"toolUseId": id, "name": call.Name}},
		}
		for _, crumb := range providertest.Crumbs(call.Arguments) {
			b.deltas = append(b.deltas, map[string]any{"toolUse": map[string]any{"input": crumb}})
		}
		out = append(out, b)
	}
	return out
}

// whole is the answer in one piece.
func (a answer) whole() map[string]any {
	content := []any{}
	for _, b := range a.blocks() {
		content = append(content, b.whole)
	}
	out := map[string]any{
		"output":     map[string]any{"message": map[string]any{"role": "assistant", "content": content}},
		"stopReason": a.stop(), "metrics": map[string]any{"latencyMs": 1},
	}
	if !a.does(providertest.NoUsage) {
		out["usage"] = a.usage()
	}
	if a.does(providertest.UnknownFields) {
		out["xTop"] = []any{1, "two"}
	}
	return out
}

// stream sends the answer as events.
func (e *exchange) stream(a answer) {
	out := awstest.Stream(e.Host, e.w, e.r, e.model)
	if out == nil {
		return
	}
	defer out.Close()
	send := func(kind string, members map[string]any) {
		members["p"] = strings.Repeat("abcdefgh", 4)[:len(kind)] // padding, which hides lengths
		if a.does(providertest.UnknownFields) {
			members["xEvent"] = "kept"
		}
		out.Event(kind, providertest.Marshal(members))
	}
	fail := func() {
		out.Exception("modelStreamErrorException", map[string]any{
			"message": providertest.LeakyText, "originalStatusCode": 500, "originalMessage": providertest.LeakyText,
		})
	}
	if a.does(awstest.Throttled) {
		send("messageStart", map[string]any{"role": "assistant"})
		out.Exception("throttlingException", map[string]any{"message": providertest.LeakyText})
		return
	}
	if a.does(providertest.ErrorFirst) {
		fail()
		return
	}
	send("messageStart", map[string]any{"role": "assistant"})
	blocks := a.blocks()
	for i, b := range blocks {
		if b.start != nil {
			send("contentBlockStart", map[string]any{"contentBlockIndex": i, "start": b.start})
		}
		for j, delta := range b.deltas {
			if i == len(blocks)-1 && j == len(b.deltas)/2 && !out.Midway(e.Host, e.r, e.model, "contentBlockDelta", fail) {
				return
			}
			send("contentBlockDelta", map[string]any{"contentBlockIndex": i, "delta": delta})
			if !e.Paced(e.r) {
				return
			}
		}
		send("contentBlockStop", map[string]any{"contentBlockIndex": i})
	}
	if a.does(providertest.NoDone) {
		return
	}
	send("messageStop", map[string]any{"stopReason": a.stop()})
	if !a.does(providertest.NoUsage) && e.Late(e.r, e.model) {
		send("metadata", map[string]any{"usage": a.usage(), "metrics": map[string]any{"latencyMs": 1}})
	}
}

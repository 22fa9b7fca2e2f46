package gemini

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// answer is a reply in the API's form.
type answer struct {
	*providertest.Reply
	req *request
}

func (a answer) does(behaviour string) bool {
	return providertest.Behaviour(a.req.asked.Model) == behaviour
}

// shows says whether thoughts are shown; without being asked, only their count is.
func (a answer) shows() bool {
	c := a.req.GenerationConfig.ThinkingConfig
	return a.Thoughts != "" && (c == nil || c.IncludeThoughts)
}

func (e *exchange) generate() error {
	req, err := parse(e.rec.Body, e.at.model)
	if err != nil {
		return err
	}
	if c := req.GenerationConfig.CandidateCount; c > 1 && e.rec.Stream && e.at.vertex {
		return invalid("Streaming supports one candidate only, not %d.", c)
	}
	a := answer{e.Reply(&req.asked, e.rec), req}
	if req.CachedContent != "" {
		a.Usage.CacheRead = a.Usage.Prompt / 2
	}
	switch {
	case e.rec.Stream && e.sse():
		e.events(a)
	case e.rec.Stream:
		e.array(a)
	case a.does(providertest.ErrorFirst):
		how := refusals[providertest.Overloaded]
		how.Message += providertest.LeakyText
		providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"error": how})
	default:
		e.WriteAnswer(e.w, e.r, e.at.model, a.whole())
	}
	return nil
}

func (e *exchange) countTokens() error {
	var outer struct {
		Whole json.RawMessage `json:"generateContentRequest"`
	}
	body := e.rec.Body
	if err := decode(body, false, &outer); err != nil {
		return err
	}
	if outer.Whole != nil {
		body = outer.Whole
	}
	req, err := parse(body, e.at.model)
	if err != nil {
		return err
	}
	providertest.WriteJSON(e.w, http.StatusOK, map[string]any{
		"totalTokens":         req.asked.Words,
		"promptTokensDetails": []any{map[string]any{"modality": "TEXT", "tokenCount": req.asked.Words}},
	})
	return nil
}

// response is a response with candidates.
func (a answer) response(candidates []any, usage map[string]any) map[string]any {
	out := map[string]any{"modelVersion": a.req.asked.Model, "responseId": "fake"}
	if len(candidates) > 0 {
		out["candidates"] = candidates
	}
	if usage != nil && !a.does(providertest.NoUsage) {
		out["usageMetadata"] = usage
	}
	if a.does(providertest.UnknownFields) {
		out["xTop"] = []any{1, "two"}
	}
	return out
}

// usage counts; the prompt includes what was cached, the candidates exclude the thoughts.
func (a answer) usage() map[string]any {
	u, n := a.Usage, a.candidates()
	out := map[string]any{
		"promptTokenCount": u.Prompt, "candidatesTokenCount": n * (u.Output - u.Thoughts),
		"totalTokenCount":     u.Prompt + n*u.Output,
		"promptTokensDetails": []any{map[string]any{"modality": "TEXT", "tokenCount": u.Prompt}},
	}
	if u.CacheRead > 0 {
		out["cachedContentTokenCount"] = u.CacheRead
	}
	if u.Thoughts > 0 {
		out["thoughtsTokenCount"] = n * u.Thoughts
	}
	return out
}

func (a answer) candidates() int { return max(1, a.req.GenerationConfig.CandidateCount) }

// blocked is the answer to a prompt that is not taken.
func (a answer) blocked() map[string]any {
	out := a.response(nil, map[string]any{"promptTokenCount": a.Usage.Prompt, "totalTokenCount": a.Usage.Prompt})
	out["promptFeedback"] = map[string]any{"blockReason": "PROHIBITED_CONTENT"}
	return out
}

// parts are the parts of the answer; text stands in pieces as it is streamed.
func (a answer) parts(pieces func(string) []string) []map[string]any {
	var out []map[string]any
	if a.shows() {
		for _, piece := range pieces(a.Thoughts) {
			out = append(out, map[string]any{"text": piece, "thought": true})
		}
	}
	if a.Finish == providertest.FinishRefusal {
		return nil
	}
	signed := a.Thoughts != "" || newest(a.req.asked.Model)
	for _, piece := range pieces(a.Text) {
		out = append(out, map[string]any{"text": piece})
	}
	for i, call := range a.Calls {
		f := map[string]any{"name": call.Name, "args": json.RawMessage(call.Arguments)}
		if newest(a.req.asked.Model) {
			f["id"] = fmt.Sprintf("fc_%d", call.Index)
		}
		p := map[string]any{"functionCall": f}
		if i == 0 && signed { // of calls at once, the first is signed
			p["thoughtSignature"] = signature
		}
		out = append(out, p)
	}
	if len(a.Calls) == 0 && signed && len(out) > 0 {
		out[len(out)-1]["thoughtSignature"] = signature
	}
	return out
}

var finishReasons = map[string]string{
	providertest.FinishEnd: "STOP", providertest.FinishStop: "STOP", providertest.FinishTools: "STOP",
	providertest.FinishLength: "MAX_TOKENS", providertest.FinishRefusal: "SAFETY",
}

// candidate is one candidate; finish is empty until it ends.
func (a answer) candidate(i int, parts []map[string]any, end bool) map[string]any {
	out := map[string]any{"index": i}
	if len(parts) > 0 {
		out["content"] = map[string]any{"role": "model", "parts": parts}
	}
	if end {
		out["finishReason"] = finishReasons[a.Finish]
	}
	if end && a.Finish == providertest.FinishRefusal {
		out["safetyRatings"] = []any{map[string]any{
			"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": true,
		}}
	}
	if a.does(providertest.UnknownFields) {
		out["xCandidate"] = map[string]any{"kept": true}
	}
	return out
}

// whole is the answer in one piece.
func (a answer) whole() map[string]any {
	if a.does(providertest.ContentFilter) {
		return a.blocked()
	}
	one := func(text string) []string {
		if text == "" {
			return nil
		}
		return []string{text}
	}
	var candidates []any
	for i := range a.candidates() {
		candidates = append(candidates, a.candidate(i, a.parts(one), true))
	}
	return a.response(candidates, a.usage())
}

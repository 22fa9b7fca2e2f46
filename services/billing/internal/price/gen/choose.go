package main

import (
	"regexp"
	"slices"

	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// shippedKinds are the kinds of models that are charged by the token.
var shippedKinds = []string{"chat", "responses", "embedding", "realtime"}

// retired matches models that their providers no longer offer or have replaced
// for years; they stay unpriced unless the operator lists them.
var retired = regexp.MustCompile(`^(` +
	`(ft:)?gpt-3\.?5.*|gpt-4|gpt-4-.*|gpt-4\.5.*|(ft:)?gpt-4-.*|chatgpt-4o-latest|o1-mini.*|o1-preview.*|ada|` +
	`codex-mini.*|gpt-4o(-mini)?-(realtime|audio)-preview.*|text-embedding-ada-002-v2|computer-use-preview|command-r-plus|mistral-large.*|` +
	`claude-3-.*|claude-4-.*|(us-gov|[a-z]+)?\.?anthropic\.claude-(3-|v1|v2|instant).*|claude-sonnet-4-5-20250929-v1:0|anthropic\.claude-haiku-4-5@.*|` +
	`gemini-(1\.|2\.0|exp|gemma|flash-experimental).*|gemma-3.*|learnlm.*|medlm.*|.*-preview-0[69]-(17|2025)|multimodalembedding.*|text-embedding-(004|large-exp.*|preview.*)|` +
	`ai21\.j2.*|ai21\.jamba-instruct.*|amazon\.titan-text.*|amazon\.titan-embed-(text-v1|g1.*|image.*)|cohere\.command-(light-)?text.*|` +
	`meta\.llama[23]-.*b-(chat|instruct)-v1(:0)?|meta\.llama2.*|([a-z]+\.)?meta\.llama3-(1|2)-.*|mistral\.(mistral-7b|mixtral|mistral-(large|small)-24).*|([a-z]+\.)?twelvelabs.*` +
	`)$`)

// tokenPriced tells which of the remaining prices would be incomplete: these
// models also charge by the second, picture or character.
var otherUnits = regexp.MustCompile(`image|sora|veo|imagen|lyria|tts|whisper|transcribe|nova-canvas|stability|deep-research-pro|omni-flash|moderation|container|native-audio|robotics|commitment|rerank|multimodal-embed`)

// unwanted tells whether a model is left out, and why when that is worth a line.
func unwanted(model *litellmModel) (skip bool, why string) {
	switch {
	case !slices.Contains(shippedKinds, model.mode), otherUnits.MatchString(model.key), retired.MatchString(model.name):
		return true, ""
	case model.deprecated != "" && model.deprecated <= genaiSnapshot:
		return true, ""
	case model.fault != "":
		return true, model.fault
	}
	standard := model.costs[place{price.Standard, 0}]
	if standard["input"] == 0 && standard["output"] == 0 {
		return true, "has no token price, or zero, which may mean unknown"
	}
	return false, ""
}

// dated is the end of a name that only tells the day of a snapshot.
var dated = regexp.MustCompile(`(-\d{4}-\d{2}-\d{2}|[-@]\d{8}|@default)$`)

func stem(entry *price.Entry) string {
	if entry.Provider == "bedrock" { // there the look-up does not strip dates
		return entry.Model
	}
	return dated.ReplaceAllString(entry.Model, "")
}

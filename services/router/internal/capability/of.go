package capability

import (
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Of says what a conversation needs of whoever answers it. It looks at every
// part once, reads no text, and allocates nothing.
func Of(c *llmv1.Conversation) Set {
	var needs Set
	messages := c.GetMessages()
	begun := false
	for _, m := range messages {
		needs |= ofMessage(m, &begun)
	}
	if n := len(messages); n > 0 && messages[n-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
		needs |= Prefill
	}
	needs |= ofTools(c) | OfSampling(c.GetSampling()) | ofReasoning(c.GetReasoning())
	switch c.GetResponseFormat().GetFormat().(type) {
	case *llmv1.ResponseFormat_JsonObject_:
		needs |= JSONObject
	case *llmv1.ResponseFormat_JsonSchema_:
		needs |= JSONSchema
	}
	if c.GetEndUser() != "" {
		needs |= EndUser
	}
	return needs
}

// ofMessage notes in begun that a turn has been taken.
func ofMessage(m *llmv1.Message, begun *bool) Set {
	var needs Set
	switch {
	case m.GetRole() != llmv1.Role_ROLE_SYSTEM:
		*begun = true
	case *begun:
		needs |= System | LateSystem
	default:
		needs |= System
	}
	if m.GetName() != "" {
		needs |= ParticipantNames
	}
	for _, p := range m.GetParts() {
		needs |= ofPart(p)
	}
	return needs
}

func ofPart(p *llmv1.Part) Set {
	switch content := p.GetContent().(type) {
	case *llmv1.Part_Text:
		if len(content.Text.GetCitations()) > 0 {
			return Citations
		}
	case *llmv1.Part_Image:
		needs := ofBlob(content.Image.GetBlob(), ImageURLs) | Images
		if detail := content.Image.GetDetail(); detail != "" && detail != "auto" {
			needs |= ImageDetail
		}
		return needs
	case *llmv1.Part_Document:
		needs := ofBlob(content.Document.GetBlob(), DocumentURLs) | Documents
		if content.Document.GetTitle() != "" {
			needs |= DocumentTitles
		}
		return needs
	case *llmv1.Part_Audio:
		return ofBlob(content.Audio.GetBlob(), AudioURLs) | Audio
	case *llmv1.Part_ToolCall:
		if content.ToolCall.GetSignature() != "" {
			return ToolHistory | CallSignatures
		}
		return ToolHistory
	case *llmv1.Part_ToolResult:
		return ofResult(content.ToolResult)
	case *llmv1.Part_Thinking:
		return ofThinking(content.Thinking)
	case *llmv1.Part_CachePoint:
		if content.CachePoint.GetTtl() != "" {
			return CachePoints | CacheTTL
		}
		return CachePoints
	}
	return None
}

func ofThinking(t *llmv1.Thinking) Set {
	if t.GetSignature() != "" || len(t.GetRedacted()) > 0 {
		return ThinkingHistory
	}
	return UnsignedThinking
}

func ofResult(r *llmv1.ToolResult) Set {
	needs := ToolHistory
	if r.GetIsError() {
		needs |= ToolErrors
	}
	for _, p := range r.GetParts() {
		if p.GetToolResult() != nil {
			continue // a result in a result: no dialect has it
		}
		inner := ofPart(p)
		if inner&(Images|Documents|Audio) != 0 {
			needs |= ToolResultMedia
		}
		needs |= inner
	}
	return needs
}

// ofBlob says how a blob is reached.
func ofBlob(b *llmv1.Blob, web Set) Set {
	switch uri := b.GetUri(); {
	case uri == "":
		return None
	case strings.HasPrefix(uri, "s3://"):
		return S3Objects
	case strings.HasPrefix(uri, "gs://"):
		return GSObjects
	default:
		return web
	}
}

func ofTools(c *llmv1.Conversation) Set {
	var needs Set
	for _, t := range c.GetTools() {
		needs |= Tools
		if t.GetStrict() {
			needs |= StrictTools
		}
	}
	if len(c.GetTools()) == 0 {
		return needs // a choice among none is none
	}
	switch c.GetToolChoice().GetMode() {
	case llmv1.ToolChoice_MODE_REQUIRED, llmv1.ToolChoice_MODE_NAMED:
		needs |= ToolChoice
	case llmv1.ToolChoice_MODE_NONE:
		needs |= ToolChoiceNone
	}
	if c.GetToolChoice().GetDisableParallel() {
		needs |= ParallelControl
	}
	return needs
}

// OfSampling is what parameters of sampling need.
func OfSampling(s *llmv1.Sampling) Set {
	if s == nil {
		return None
	}
	var needs Set
	set := func(present bool, f Set) {
		if present {
			needs |= f
		}
	}
	set(s.Temperature != nil, Temperature)
	set(s.GetTemperature() > 1, HighTemperature)
	set(s.TopP != nil, TopP)
	set(s.Temperature != nil && s.TopP != nil, TemperatureWithTopP)
	set(s.TopK != nil, TopK)
	set(s.Seed != nil, Seed)
	set(s.GetPresencePenalty() != 0, PresencePenalty) // 0 is what every model does anyway
	set(s.GetFrequencyPenalty() != 0, FrequencyPenalty)
	set(s.GetCandidateCount() > 1, Candidates)
	set(s.MaxOutputTokens != nil, OutputLimit)
	set(len(s.GetStop()) > 0, Stop)
	set(len(s.GetStop()) > 4, StopsOver4)
	set(len(s.GetStop()) > 5, StopsOver5)
	for _, stop := range s.GetStop() {
		set(blank(stop), BlankStops)
	}
	return needs
}

func blank(text string) bool { return strings.TrimSpace(text) == "" }

func ofReasoning(r *llmv1.Reasoning) Set {
	if r == nil {
		return None
	}
	var needs Set
	switch off := r.BudgetTokens != nil && r.GetBudgetTokens() == 0 || r.GetEffort() == llmv1.Reasoning_EFFORT_NONE; {
	case off:
		return ReasoningOff
	case r.BudgetTokens != nil:
		needs |= Reasoning | ReasoningBudget
	case r.GetEffort() != llmv1.Reasoning_EFFORT_UNSPECIFIED:
		needs |= Reasoning | ReasoningEffort
	}
	if r.GetEffort() == llmv1.Reasoning_EFFORT_XHIGH {
		needs |= ReasoningXHigh
	}
	if r.GetIncludeThinking() {
		needs |= IncludeThinking
	}
	return needs
}

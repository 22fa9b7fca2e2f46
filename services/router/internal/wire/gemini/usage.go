package gemini

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// counts are the numbers of a usage object as the provider sends them. The
// prompt holds what came from the cache; tools and thoughts stand beside it.
type counts struct {
	prompt, cached, answer, tools, thoughts int64
	audioIn, audioCached, audioTools        int64
	audioOut                                int64
	seen                                    bool
}

// readUsage reads a usage object into u; false if there is none.
func (s *scanner) readUsage(u *llmv1.Usage) bool {
	var c counts
	if s.Peek() != '{' {
		s.Skip()
		return false
	}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "promptTokenCount":
			s.count(&c, &c.prompt)
		case "cachedContentTokenCount":
			s.count(&c, &c.cached)
		case "candidatesTokenCount":
			s.count(&c, &c.answer)
		case "toolUsePromptTokenCount":
			s.count(&c, &c.tools)
		case "thoughtsTokenCount":
			s.count(&c, &c.thoughts)
		case "promptTokensDetails":
			s.audio(&c.audioIn)
		case "cacheTokensDetails":
			s.audio(&c.audioCached)
		case "toolUsePromptTokensDetails":
			s.audio(&c.audioTools)
		case "candidatesTokensDetails":
			s.audio(&c.audioOut)
		default:
			s.Skip()
		}
	}
	if s.Err != nil || !c.seen {
		return false
	}
	c.disjoint(u)
	return true
}

func (s *scanner) count(c *counts, to *int64) {
	n, ok := s.Integer()
	*to = max(n, 0)
	c.seen = c.seen || ok
}

// audio reads how much of a total is sound.
func (s *scanner) audio(to *int64) {
	if s.Peek() != '[' {
		s.Skip()
		return
	}
	for s.Open('['); s.Next(']'); {
		if s.Peek() != '{' {
			s.Skip()
			continue
		}
		var n int64
		sound := false
		for s.Open('{'); s.Next('}'); {
			switch string(s.Key()) {
			case "modality":
				t := s.OptionalText()
				sound = string(s.Inner(t)) == "AUDIO"
			case "tokenCount":
				n, _ = s.Integer()
			default:
				s.Skip()
			}
		}
		if sound {
			*to += max(n, 0)
		}
	}
}

// disjoint takes the details out of the totals, so that the classes add up to
// what the provider counts. A detail larger than its total is cut to it.
func (c *counts) disjoint(u *llmv1.Usage) {
	u.Source = llmv1.UsageSource_USAGE_SOURCE_PROVIDER
	u.InputTokens = c.prompt
	take(&u.InputTokens, &u.CacheReadTokens, c.cached)
	u.InputTokens += c.tools
	take(&u.InputTokens, &u.InputAudioTokens, max(c.audioIn-c.audioCached, 0)+c.audioTools)
	u.OutputTokens = c.answer
	take(&u.OutputTokens, &u.OutputAudioTokens, c.audioOut)
	u.ReasoningTokens = c.thoughts
}

func take(from, to *int64, n int64) {
	n = min(n, *from)
	*from -= n
	*to = n
}

// appendUsage writes the classes back as totals with details.
func appendUsage(dst []byte, u *llmv1.Usage) []byte {
	prompt := u.GetInputTokens() + u.GetCacheReadTokens() + u.GetCacheWrite_5MTokens() + u.GetCacheWrite_1HTokens() +
		u.GetInputAudioTokens() + u.GetInputImageTokens()
	answer := u.GetOutputTokens() + u.GetOutputAudioTokens()
	field := func(name string, n int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	field(`{"promptTokenCount":`, prompt)
	field(`,"candidatesTokenCount":`, answer)
	field(`,"totalTokenCount":`, prompt+answer+u.GetReasoningTokens())
	if n := u.GetCacheReadTokens(); n > 0 {
		field(`,"cachedContentTokenCount":`, n)
	}
	if n := u.GetReasoningTokens(); n > 0 {
		field(`,"thoughtsTokenCount":`, n)
	}
	if n := u.GetInputAudioTokens(); n > 0 {
		field(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`, prompt-n)
		field(`},{"modality":"AUDIO","tokenCount":`, n)
		dst = append(dst, `}]`...)
	}
	if n := u.GetOutputAudioTokens(); n > 0 {
		field(`,"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":`, answer-n)
		field(`},{"modality":"AUDIO","tokenCount":`, n)
		dst = append(dst, `}]`...)
	}
	return append(dst, '}')
}

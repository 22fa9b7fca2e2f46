package openai

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// counts are the numbers of a usage object as the provider sends them: totals,
// and details that are contained in them.
type counts struct {
	prompt, completion, total   int64
	cached, cacheWrite, audioIn int64
	reasoning, audioOut, hit    int64
	sawPrompt, sawCompletion    bool
}

// usage reads a usage object; nil for null.
func (s *scanner) usage() *llmv1.Usage {
	if s.Peek() != '{' {
		s.Skip()
		return nil
	}
	var c counts
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "prompt_tokens":
			c.prompt, c.sawPrompt = s.count()
		case "completion_tokens":
			c.completion, c.sawCompletion = s.count()
		case "total_tokens":
			c.total, _ = s.count()
		case "prompt_cache_hit_tokens":
			c.hit, _ = s.count()
		case "prompt_tokens_details":
			s.details(c.promptDetail)
		case "completion_tokens_details":
			s.details(c.completionDetail)
		default:
			s.Skip()
		}
	}
	if s.Err != nil || !c.sawPrompt && !c.sawCompletion {
		return nil
	}
	return c.disjoint()
}

func (s *scanner) count() (int64, bool) {
	n, ok := s.Integer()
	return max(n, 0), ok
}

// promptDetail and completionDetail say where a detail goes; nil for an unknown one.
func (c *counts) promptDetail(name []byte) *int64 {
	switch string(name) {
	case "cached_tokens":
		return &c.cached
	case "cache_write_tokens":
		return &c.cacheWrite
	case "audio_tokens":
		return &c.audioIn
	}
	return nil
}

func (c *counts) completionDetail(name []byte) *int64 {
	switch string(name) {
	case "reasoning_tokens":
		return &c.reasoning
	case "audio_tokens":
		return &c.audioOut
	}
	return nil
}

func (s *scanner) details(at func(name []byte) *int64) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for s.Open('{'); s.Next('}'); {
		if n := at(s.Key()); n != nil {
			*n, _ = s.count()
		} else {
			s.Skip()
		}
	}
}

// disjoint takes the details out of the totals, so that the classes add up to
// what the provider counts. A detail larger than its total is cut to it.
func (c *counts) disjoint() *llmv1.Usage {
	u := &llmv1.Usage{Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}
	if c.cached == 0 {
		c.cached = c.hit
	}
	u.InputTokens = c.prompt
	take(&u.InputTokens, &u.CacheReadTokens, c.cached)
	take(&u.InputTokens, &u.CacheWrite_5MTokens, c.cacheWrite)
	take(&u.InputTokens, &u.InputAudioTokens, c.audioIn)
	u.OutputTokens = c.completion
	if c.reasoning > 0 && c.total == c.prompt+c.completion+c.reasoning {
		// Some providers count thinking beside the completion, not in it.
		u.ReasoningTokens = c.reasoning
	} else {
		take(&u.OutputTokens, &u.ReasoningTokens, c.reasoning)
	}
	take(&u.OutputTokens, &u.OutputAudioTokens, c.audioOut)
	return u
}

func take(from, to *int64, n int64) {
	n = min(n, *from)
	*from -= n
	*to = n
}

// appendUsage writes the classes back as totals with details.
func appendUsage(dst []byte, u *llmv1.Usage) []byte {
	written := u.GetCacheWrite_5MTokens() + u.GetCacheWrite_1HTokens()
	prompt := u.GetInputTokens() + u.GetCacheReadTokens() + written + u.GetInputAudioTokens() + u.GetInputImageTokens()
	completion := u.GetOutputTokens() + u.GetReasoningTokens() + u.GetOutputAudioTokens()
	field := func(name string, n int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	field(`{"prompt_tokens":`, prompt)
	field(`,"completion_tokens":`, completion)
	field(`,"total_tokens":`, prompt+completion)
	field(`,"prompt_tokens_details":{"cached_tokens":`, u.GetCacheReadTokens())
	if written > 0 {
		field(`,"cache_write_tokens":`, written)
	}
	field(`,"audio_tokens":`, u.GetInputAudioTokens())
	field(`},"completion_tokens_details":{"reasoning_tokens":`, u.GetReasoningTokens())
	field(`,"audio_tokens":`, u.GetOutputAudioTokens())
	return append(dst, `}}`...)
}

package anthropic

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// counts are the numbers of usage objects as the provider sends them: input
// without what the cache wrote and read, output with the thinking in it. A
// stream tells them in pieces, of which a later one replaces what it repeats.
type counts struct {
	input, output, read, written int64
	hour, thinking               int64
	seen                         bool
}

// usage reads a usage object into c; it says whether there was one.
func (s *scanner) usage(c *counts) bool {
	if s.Peek() != '{' {
		s.Skip()
		return false
	}
	some := false
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "input_tokens":
			some = s.count(&c.input) || some
		case "output_tokens":
			some = s.count(&c.output) || some
		case "cache_read_input_tokens":
			s.count(&c.read)
		case "cache_creation_input_tokens":
			s.count(&c.written)
		case "cache_creation":
			s.detail("ephemeral_1h_input_tokens", &c.hour)
		case "output_tokens_details":
			s.detail("thinking_tokens", &c.thinking)
		default:
			s.Skip()
		}
	}
	some = some && s.Err == nil
	c.seen = c.seen || some
	return some
}

func (s *scanner) count(n *int64) bool {
	read, ok := s.Integer()
	if ok {
		*n = max(read, 0)
	}
	return ok
}

func (s *scanner) detail(name string, n *int64) {
	if s.Peek() != '{' {
		s.Skip()
		return
	}
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) == name {
			s.count(n)
		} else {
			s.Skip()
		}
	}
}

// canonical takes the details out of the totals. A detail larger than its
// total is cut to it.
func (c *counts) canonical() *llmv1.Usage {
	if !c.seen {
		return nil
	}
	hour, thinking := min(c.hour, c.written), min(c.thinking, c.output)
	return &llmv1.Usage{
		Source:      llmv1.UsageSource_USAGE_SOURCE_PROVIDER,
		InputTokens: c.input, CacheReadTokens: c.read,
		CacheWrite_5MTokens: c.written - hour, CacheWrite_1HTokens: hour,
		OutputTokens: c.output - thinking, ReasoningTokens: thinking,
	}
}

// appendUsage writes the classes as the format has them.
func appendUsage(dst []byte, u *llmv1.Usage) []byte {
	minutes, hour := u.GetCacheWrite_5MTokens(), u.GetCacheWrite_1HTokens()
	field := func(name string, n int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	field(`{"input_tokens":`, u.GetInputTokens()+u.GetInputAudioTokens()+u.GetInputImageTokens())
	field(`,"cache_creation_input_tokens":`, minutes+hour)
	field(`,"cache_read_input_tokens":`, u.GetCacheReadTokens())
	field(`,"cache_creation":{"ephemeral_5m_input_tokens":`, minutes)
	field(`,"ephemeral_1h_input_tokens":`, hour)
	field(`},"output_tokens":`, u.GetOutputTokens()+u.GetReasoningTokens()+u.GetOutputAudioTokens())
	if n := u.GetReasoningTokens(); n > 0 {
		field(`,"output_tokens_details":{"thinking_tokens":`, n)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

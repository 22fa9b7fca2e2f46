package converse

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// readUsage reads the tokens; nil for null. The classes of this format do not
// overlap, but for the cache's details, which say how long what was written stays.
func readUsage(s *jsonscan.Scanner) *llmv1.Usage {
	if s.Peek() != '{' {
		s.Skip()
		return nil
	}
	u := &llmv1.Usage{Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}
	var written, hour int64
	seen := false
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "inputTokens":
			u.InputTokens = count(s, &seen)
		case "outputTokens":
			u.OutputTokens = count(s, &seen)
		case "cacheReadInputTokens":
			u.CacheReadTokens = count(s, nil)
		case "cacheWriteInputTokens":
			written = count(s, nil)
		case "cacheDetails":
			hour = cachedAnHour(s)
		default:
			s.Skip()
		}
	}
	if s.Err != nil || !seen {
		return nil
	}
	u.CacheWrite_1HTokens = min(hour, written)
	u.CacheWrite_5MTokens = written - u.GetCacheWrite_1HTokens()
	return u
}

func count(s *jsonscan.Scanner, seen *bool) int64 {
	n, ok := s.Integer()
	if ok && seen != nil {
		*seen = true
	}
	return max(n, 0)
}

func cachedAnHour(s *jsonscan.Scanner) (hour int64) {
	if s.Peek() != '[' {
		s.Skip()
		return 0
	}
	for s.Open('['); s.Next(']'); {
		if s.Peek() != '{' {
			s.Skip()
			continue
		}
		var ttl jsonscan.Token
		var n int64
		for s.Open('{'); s.Next('}'); {
			switch string(s.Key()) {
			case "ttl":
				ttl = s.OptionalText()
			case "inputTokens":
				n = count(s, nil)
			default:
				s.Skip()
			}
		}
		if ttl.Start != 0 && string(s.Inner(ttl)) == "1h" {
			hour += n
		}
	}
	return hour
}

// appendUsage writes the classes. Sound and pictures are input like any other
// here, and thinking is output.
func appendUsage(dst []byte, u *llmv1.Usage) []byte {
	in := u.GetInputTokens() + u.GetInputAudioTokens() + u.GetInputImageTokens()
	out := u.GetOutputTokens() + u.GetReasoningTokens() + u.GetOutputAudioTokens()
	written := u.GetCacheWrite_5MTokens() + u.GetCacheWrite_1HTokens()
	field := func(name string, n int64) {
		dst = append(dst, name...)
		dst = strconv.AppendInt(dst, n, 10)
	}
	field(`{"inputTokens":`, in)
	field(`,"outputTokens":`, out)
	field(`,"totalTokens":`, in+out+u.GetCacheReadTokens()+written)
	field(`,"cacheReadInputTokens":`, u.GetCacheReadTokens())
	field(`,"cacheWriteInputTokens":`, written)
	if u.GetCacheWrite_1HTokens() > 0 {
		field(`,"cacheDetails":[{"ttl":"1h","inputTokens":`, u.GetCacheWrite_1HTokens())
		if u.GetCacheWrite_5MTokens() > 0 {
			field(`},{"ttl":"5m","inputTokens":`, u.GetCacheWrite_5MTokens())
		}
		dst = append(dst, `}]`...)
	}
	return append(dst, '}')
}

package anthropic

import (
	"errors"
	"strconv"

	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

var errNoCount = errors.New("has no count")

// DecodeCount reads how many tokens a provider has counted.
func DecodeCount(raw []byte) (int64, error) {
	s := newScanner(raw)
	var n int64
	counted := false
	if s.Peek() == '{' {
		for s.Open('{'); s.Next('}'); {
			if string(s.Key()) == "input_tokens" {
				counted = s.count(&n)
				continue
			}
			s.Skip()
		}
	}
	if err := s.Finish(); err != nil {
		return 0, refusal.Unreadable(err)
	}
	if !counted {
		return 0, refusal.Unreadable(errNoCount)
	}
	return n, nil
}

// EncodeCountAnswer writes how many tokens were counted.
func EncodeCountAnswer(n int64) []byte {
	return append(strconv.AppendInt([]byte(`{"input_tokens":`), n, 10), '}')
}

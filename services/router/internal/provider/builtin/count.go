package builtin

import (
	"strings"
	"unicode"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/conversation"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// countTokens counts text by a rule instead of a vocabulary: a run of letters
// and digits is one token for every six bytes begun, every other visible rune
// is one, and space is free. On English prose that is within about a tenth of
// what the usual byte-pair vocabularies count. The same text always counts the
// same, and the count of a text is the sum over its words.
func countTokens(text string) int64 {
	const bytesPerToken = 6
	var tokens, run int64
	end := func() { tokens, run = tokens+(run+bytesPerToken-1)/bytesPerToken, 0 }
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul):
			end()
			tokens++
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			run += int64(len(string(r)))
		default:
			end()
			if !unicode.IsSpace(r) {
				tokens++
			}
		}
	}
	end()
	return tokens
}

func countPieces(pieces []string) int64 {
	var n int64
	for _, p := range pieces {
		n += countTokens(p)
	}
	return n
}

func inputTokens(r *provider.Request) int64 {
	n := countTokens(r.Context)
	for _, t := range conversation.Texts(r.Conversation) {
		n += countTokens(*t.Value)
	}
	return n
}

// words cuts a text into words, each with the space that follows it, so that
// they add up to the text.
func words(text string) []string {
	var pieces []string
	start, inSpace := 0, false
	for i, r := range text {
		space := unicode.IsSpace(r)
		if inSpace && !space && i > start {
			pieces = append(pieces, text[start:i])
			start = i
		}
		inSpace = space
	}
	if start < len(text) {
		pieces = append(pieces, text[start:])
	}
	return pieces
}

// cut applies the stop texts, then the token limit, and keeps the citations
// whose markers are still in the text.
func (d *draft) cut(text string, s *llmv1.Sampling) {
	d.reason = llmv1.FinishReason_FINISH_REASON_STOP
	for _, stop := range s.GetStop() {
		if i := strings.Index(text, stop); stop != "" && i >= 0 {
			text = text[:i]
		}
	}
	d.pieces = words(text)
	if s != nil && s.MaxOutputTokens != nil {
		d.limit(s.GetMaxOutputTokens())
	}
	d.text = strings.Join(d.pieces, "")
	kept := d.citations[:0:0]
	for _, c := range d.citations {
		if strings.Contains(d.text, "["+c.GetMarker()+"]") {
			kept = append(kept, c)
		}
	}
	d.citations = kept
}

func (d *draft) limit(most int64) {
	for i, p := range d.pieces {
		if most -= countTokens(p); most < 0 {
			d.pieces = d.pieces[:i]
			d.reason = llmv1.FinishReason_FINISH_REASON_LENGTH
			return
		}
	}
}

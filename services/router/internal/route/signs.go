package route

import "strings"

// fence begins and ends code in Markdown.
const fence = "```"

// longestRead is how much of a text's beginning is read; as much as edge of its
// end follows, where the question often stands.
const longestRead = 6 << 10

// text counts the signs in a text.
func (s *signs) text(text string) {
	if len(text) > longestRead+edge {
		s.text(text[len(text)-edge:])
		text = text[:longestRead]
	}
	s.bytes += len(text)
	s.fence = s.fence || strings.Contains(text, fence)
	var word [longestWord]byte
	for i := 0; i < len(text); {
		b := text[i]
		if kinds[b] != inWord {
			if kinds[b] == ofCode {
				s.symbols++
			}
			i++
			continue
		}
		if b >= '0' && b <= '9' {
			s.figures++
		}
		n := 0
		for ; i < len(text) && kinds[text[i]] == inWord; i++ {
			if n < longestWord {
				word[n] = lower(text[i])
			}
			n++
		}
		s.words++
		if n <= longestWord {
			s.hint(word[:n])
		}
	}
}

// hint looks a word up. A conversion in the index of a map does not allocate.
func (s *signs) hint(word []byte) {
	if len(word) < 2 {
		return
	}
	switch h := hints[string(word)]; h.class {
	case coding:
		s.code += h.points
	case analysis:
		s.reasoning += h.points
	}
}

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// The kinds of bytes. Letters of other alphabets are parts of words.
const (
	between = iota
	inWord
	ofCode
)

var kinds = func() (k [256]uint8) {
	for b := range k {
		switch {
		case b >= '0' && b <= '9', b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= 0x80, b == '_', b == '+', b == '#':
			k[b] = inWord
		case strings.IndexByte("{}()[];=<>/\\|&*", byte(b)) >= 0:
			k[b] = ofCode
		}
	}
	return k
}()

const longestWord = 20

// word is what one says about a request.
type word struct {
	class  class
	points int
}

// hints are words that tell tasks apart, of English and of programs.
var hints = func() map[string]word {
	all := make(map[string]word)
	for _, group := range []struct {
		word
		words string
	}{
		{word{coding, 2}, `async await backtrace bash c++ c# codebase compile compiler css deadlock decorator docker dockerfile
			enum func github golang goroutine graphql html javascript json kotlin kubectl kubernetes lambda linter mutex
			nginx npm nullpointerexception pandas pip postgres pytest python react recursion refactor regex regexp repo
			ruby rust segfault sql stacktrace struct subprocess swift syntax terraform traceback typescript unittest webpack yaml`},
		{word{coding, 1}, `algorithm api array backend bug class code coding commit const debug def endpoint error exception file
			frontend function git implement import integer java library loop method module null object package parse
			program programming query return runtime script server snippet string test tests thread variable void`},
		{word{analysis, 2}, `analyse analyze analysing analyzing analysis assess assessment compare comparison contrast correlation
			critique evaluate evaluation forecast hypothesis implications methodology quantify regression statistical
			statistics tradeoff tradeoffs trend trends`},
		{word{analysis, 1}, `argument average cause causes conclude conclusion cons data dataset decline evidence explain findings
			growth impact insights interpret margin market percent pros quarter quarterly rate report revenue review risk
			risks sales segment strategy study summarise summarize summary table why`},
	} {
		for w := range strings.FieldsSeq(group.words) {
			all[w] = group.word
		}
	}
	return all
}()

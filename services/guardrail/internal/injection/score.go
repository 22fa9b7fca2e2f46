package injection

import (
	"bytes"
	"sync"
)

// Result is how suspicious a text is.
type Result struct {
	// Score is from 0 to 1.
	Score float64
	// Start and End are the span of the strongest sign.
	Start, End int
}

// token is one word of the text.
type token struct {
	start, end int
	classes    []ref
	// phrases are the members of classes that begin with this word.
	phrases []phrase
	// stop says that a sentence ends after the word.
	stop bool
}

type scorer struct {
	tokens  []token
	word    []byte
	lowered []byte
	weight  [64]float64
	// classBuf backs the class lists that had to be composed.
	classBuf []ref
}

var scorers = sync.Pool{New: func() any { return &scorer{} }}

// Score judges a folded text.
func Score(text []byte) Result {
	if loadErr != nil {
		return Result{}
	}
	s, _ := scorers.Get().(*scorer)
	defer scorers.Put(s)
	s.tokens, s.classBuf = s.tokens[:0], s.classBuf[:0]
	clear(s.weight[:])
	var best float64
	var res Result
	note := func(w float64, family uint8, start, end int) {
		s.weight[family] = max(s.weight[family], w)
		if w > best {
			best, res.Start, res.End = w, start, end
		}
	}
	s.tokenize(text)
	s.phrases(text)
	for i := range s.tokens {
		for _, c := range s.tokens[i].classes {
			for _, r := range loaded.byFirst[c.class] {
				rule := &loaded.rules[r]
				if rule.weight <= s.weight[rule.family] {
					continue
				}
				if end := s.match(rule.seq[1:], i+int(c.n)-1); end >= 0 && !(rule.negatable && s.negated(text, i)) {
					note(rule.weight, rule.family, s.tokens[i].start, s.tokens[end].end)
				}
			}
		}
	}
	s.lowered = lower(s.lowered[:0], text)
	for _, l := range loaded.literals {
		if i := bytes.Index(s.lowered, []byte(l.text)); i >= 0 {
			note(l.weight, l.family, i, i+len(l.text))
		}
	}
	clean := 1.0
	for _, w := range s.weight[:len(loaded.families)] {
		clean *= 1 - w
	}
	res.Score = 1 - clean
	return res
}

// match follows a rule from the word i on and returns its last word, or -1.
func (s *scorer) match(seq []element, i int) int {
	if len(seq) == 0 {
		return i
	}
	e := seq[0]
	for k := 1; k <= e.gap+1; k++ {
		if i+k >= len(s.tokens) || s.tokens[i+k-1].stop {
			return -1
		}
		for _, c := range s.tokens[i+k].classes {
			if c.class != e.class {
				continue
			}
			if end := s.match(seq[1:], i+k+int(c.n)-1); end >= 0 {
				return end
			}
		}
	}
	return -1
}

// negated reports whether the word is told not to be done: "do not repeat …".
func (s *scorer) negated(text []byte, i int) bool {
	for k := max(0, i-2); k < i; k++ {
		if s.tokens[k].stop {
			continue
		}
		s.word = lower(s.word[:0], text[s.tokens[k].start:s.tokens[k].end])
		switch string(s.word) {
		case "not", "dont", "don't", "never", "without", "cannot":
			return true
		}
	}
	return false
}

// tokenize splits the text into words. Apostrophes vanish (don't = dont), and
// digits and signs between letters are read as letters (1gn0re).
func (s *scorer) tokenize(text []byte) {
	for i := 0; i < len(text); {
		if !wordByte(text[i]) {
			if n := len(s.tokens); n > 0 && endsSentence(text, i) {
				s.tokens[n-1].stop = true
			}
			i++
			continue
		}
		j := i
		digits, letters := 0, 0
		s.word = s.word[:0]
		for j < len(text) && (wordByte(text[j]) || text[j] == '\'' || leetSign(text, j)) {
			b := text[j]
			switch {
			case b == '\'':
				j++
				continue
			case b >= 'A' && b <= 'Z':
				b += 'a' - 'A'
				letters++
			case b >= 'a' && b <= 'z', b >= 0x80:
				letters++
			default:
				digits++
			}
			s.word = append(s.word, b)
			j++
		}
		t := token{start: i, end: j}
		if w := loaded.words[string(s.word)]; w != nil {
			t.classes, t.phrases = w.classes, w.phrases
		} else if digits > 0 && letters > 0 {
			t.classes = s.unleet()
		}
		s.tokens = append(s.tokens, t)
		i = j
	}
}

func wordByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b >= 0x80
}

func leetSign(text []byte, i int) bool {
	if b := text[i]; b != '@' && b != '$' && b != '!' && b != '|' {
		return false
	}
	return i > 0 && wordByte(text[i-1]) && i+1 < len(text) && wordByte(text[i+1])
}

func endsSentence(text []byte, i int) bool {
	switch text[i] {
	case '.', '!', '?', ';':
		return i+1 >= len(text) || text[i+1] <= ' '
	case '\n':
		return i+1 < len(text) && text[i+1] == '\n'
	}
	return false
}

var leet = map[byte]byte{'0': 'o', '3': 'e', '4': 'a', '5': 's', '7': 't', '@': 'a', '$': 's', '8': 'b', '9': 'g', '2': 'z'}

// unleet looks the word up with its digits read as letters; 1, ! and | may be
// i or l.
func (s *scorer) unleet() []ref {
	var buf [64]byte
	if len(s.word) > len(buf) {
		return nil
	}
	w := buf[:len(s.word)]
	for _, one := range []byte("il") {
		for k, b := range s.word {
			switch to := leet[b]; {
			case b == '1' || b == '!' || b == '|':
				w[k] = one
			case to != 0:
				w[k] = to
			default:
				w[k] = b
			}
		}
		if found := loaded.words[string(w)]; found != nil {
			return found.classes
		}
	}
	return nil
}

// phrases adds the classes whose members are several words to the first word.
func (s *scorer) phrases(text []byte) {
	for i := range s.tokens {
		t := &s.tokens[i]
		from := len(s.classBuf)
		for _, p := range t.phrases {
			if s.spells(text, i, p.words) {
				s.classBuf = append(s.classBuf, ref{p.class, uint8(len(p.words))})
			}
		}
		if len(s.classBuf) > from {
			s.classBuf = append(s.classBuf, t.classes...)
			t.classes = s.classBuf[from:len(s.classBuf):len(s.classBuf)]
		}
	}
}

func (s *scorer) spells(text []byte, i int, words []string) bool {
	if i+len(words) > len(s.tokens) {
		return false
	}
	for k, w := range words {
		t := s.tokens[i+k]
		if k < len(words)-1 && t.stop {
			return false
		}
		s.word = s.word[:0]
		for _, b := range text[t.start:t.end] {
			if b != '\'' {
				s.word = append(s.word, b)
			}
		}
		s.word = lower(s.word[:0], s.word)
		if string(s.word) != w {
			return false
		}
	}
	return true
}

func lower(dst, src []byte) []byte {
	for _, b := range src {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		dst = append(dst, b)
	}
	return dst
}

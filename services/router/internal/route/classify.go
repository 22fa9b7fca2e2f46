package route

import (
	"fmt"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// finding is what a request is for, how sure that is, and what it was seen by.
type finding struct {
	name  string
	sure  float64
	signs signs
}

// class is a task that can be told from the request itself.
type class uint8

const (
	coding class = iota
	analysis
	vision
	simple
	classCount
)

var classNames = [classCount]string{"coding", "analysis", "vision", "simple"}

// generalTask is the name of a request that looks like none of them.
const generalTask = "general"

// classes is a set of them.
type classes uint8

func (s classes) has(c class) bool { return s&(1<<c) != 0 }

func (s classes) with(name string) classes {
	for c, known := range classNames {
		if known == name {
			s |= 1 << c
		}
	}
	return s
}

// signs are what a classification looks at. They are counted in what the user
// said last, but for fences and images, which earlier turns may have as well.
type signs struct {
	words, figures, symbols, bytes int
	code, reasoning                int // points of words that speak of code, and of analysis
	fence, image, document         bool
	earlierFence, earlierImage     bool
	tokens                         int64 // of the whole conversation
}

// points are how much speaks for each task. The figures are a judgement, set by
// the requests of the test; none of them is learnt.
func (s *signs) points() [classCount]float64 {
	var p [classCount]float64
	p[coding] = min(6, float64(s.code))
	p[analysis] = min(6, float64(s.reasoning))
	if s.fence {
		p[coding] += 4
	}
	if s.earlierFence {
		p[coding] += 1.5
	}
	program := s.bytes >= 80 && s.symbols*25 >= s.bytes // 4 % of the text is punctuation of programs
	if program {
		p[coding] += 2
	}
	if s.figures >= 12 {
		p[analysis] += 2.5
	}
	if s.document {
		p[analysis] += 2
	}
	if s.tokens >= 2000 {
		p[analysis] += 2
	}
	if s.image {
		p[vision] += 8
	} else if s.earlierImage {
		p[vision] += 2
	}
	if s.words > 0 && !s.fence && !program && s.tokens < 500 {
		switch {
		case s.words <= 25:
			p[simple] += 2
		case s.words <= 60:
			p[simple]++
		}
		if s.code == 0 && s.reasoning == 0 && s.words <= 60 {
			p[simple]++
		}
	}
	return p
}

// doubt is what speaks against every finding: a single sign is no proof.
const doubt = 1

// leastSure is below which a request counts as general.
const leastSure = .4

// classify says what a request looks like, of those tasks that are wanted. The
// confidence is the share of the points that speak for it.
func classify(q *Question, wanted classes) finding {
	f := finding{name: generalTask}
	f.signs.read(q)
	p := f.signs.points()
	best, sum := class(0), float64(doubt)
	for c := range classCount {
		if wanted.has(c) {
			sum += p[c]
		} else {
			p[c] = 0
		}
		if p[c] > p[best] {
			best = c
		}
	}
	if sure := p[best] / sum; sure >= leastSure {
		f.name, f.sure = classNames[best], sure
	}
	return f
}

// why lists the signs for people.
func (f *finding) why() string {
	s := &f.signs
	var b strings.Builder
	fmt.Fprintf(&b, "%d words", s.words)
	for _, sign := range []struct {
		text string
		seen bool
	}{
		{"code in a fence", s.fence},
		{"code in an earlier turn", s.earlierFence},
		{fmt.Sprintf("words of programming (%d)", s.code), s.code > 0},
		{fmt.Sprintf("words of analysis (%d)", s.reasoning), s.reasoning > 0},
		{fmt.Sprintf("%d figures", s.figures), s.figures > 0},
		{"a picture", s.image},
		{"a picture in an earlier turn", s.earlierImage},
		{"a document", s.document},
		{fmt.Sprintf("%d tokens", s.tokens), s.tokens >= 2000},
	} {
		if sign.seen {
			b.WriteString(", " + sign.text)
		}
	}
	return b.String()
}

// lookBack is how many messages before the user's last are looked at.
const lookBack = 6

// read collects the signs of a request.
func (s *signs) read(q *Question) {
	s.tokens = q.Input
	messages := q.Conversation.GetMessages()
	last := len(messages) - 1
	for last >= 0 && messages[last].GetRole() != llmv1.Role_ROLE_USER {
		last--
	}
	if last < 0 {
		return
	}
	for _, p := range messages[last].GetParts() {
		s.image = s.image || p.GetImage() != nil
		s.document = s.document || p.GetDocument() != nil
		s.text(p.GetText().GetText())
	}
	for _, m := range messages[max(0, last-lookBack):last] {
		if m.GetRole() == llmv1.Role_ROLE_SYSTEM {
			continue
		}
		for _, p := range m.GetParts() {
			text := p.GetText().GetText()
			s.earlierFence = s.earlierFence || strings.Contains(text[:min(len(text), edge)], fence)
			s.earlierImage = s.earlierImage || p.GetImage() != nil
		}
	}
}

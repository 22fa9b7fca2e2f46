package builtin

import (
	"strings"
)

// splitter walks over the lines of a passage and collects its units.
type splitter struct {
	passage int
	path    string // headings above the passage
	heading string // the last heading inside it
	units   []unit
	block   int
	pending []string // lines of the open paragraph or item
	kind    kind     // of what is pending
	lead    int      // place of the line that introduces the next list, or -1
	header  []string // of the open table
	inTable bool
	fence   string
	code    []string
}

// split cuts a passage into units, in reading order.
func split(passage int, path, text string) []unit {
	s := &splitter{passage: passage, path: path, lead: -1}
	lines := strings.Split(strings.ReplaceAll(plain(text), "\r\n", "\n"), "\n")
	lines = skipFrontMatter(lines)
	for i, line := range lines {
		next := ""
		if i+1 < len(lines) {
			next = lines[i+1]
		}
		s.line(line, next)
	}
	s.flush()
	return s.units
}

func skipFrontMatter(lines []string) []string {
	if strings.TrimSpace(lines[0]) != "---" {
		return lines
	}
	for i := 1; i < len(lines); i++ {
		if strings.TrimSpace(lines[i]) == "---" {
			return lines[i+1:]
		}
		if !strings.Contains(lines[i], ":") {
			break
		}
	}
	return lines
}

func (s *splitter) line(line, next string) {
	for strings.HasPrefix(strings.TrimLeft(line, " "), ">") {
		line = strings.TrimPrefix(strings.TrimLeft(line, " "), ">")
	}
	trimmed := strings.TrimSpace(line)
	if s.fenced(line, trimmed) || s.table(trimmed, next) {
		return
	}
	switch {
	case trimmed == "":
		s.flush()
	case reHeading.MatchString(line):
		s.flush()
		s.heading = inline(reHeading.FindStringSubmatch(line)[1])
		s.block, s.lead = s.block+1, -1
	case reSetext.MatchString(line) && len(s.pending) == 1 && s.kind == sentence:
		s.heading, s.pending = inline(s.pending[0]), nil
		s.block, s.lead = s.block+1, -1
	case reRule.MatchString(line), reLinkDef.MatchString(line):
		s.flush()
	case reItem.MatchString(line):
		s.flush()
		s.kind, s.pending = item, []string{reItem.FindStringSubmatch(line)[1]}
	default:
		s.pending = append(s.pending, trimmed)
	}
}

// fenced takes in code. A short block stays with the line that introduces it;
// any other is left out: code alone answers no question.
func (s *splitter) fenced(line, trimmed string) bool {
	if s.fence == "" {
		m := reFence.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		s.flush()
		s.fence, s.code = m[1], []string{trimmed}
		return true
	}
	s.code = append(s.code, line)
	if strings.HasPrefix(trimmed, s.fence) && strings.Trim(trimmed, s.fence[:1]) == "" {
		code := strings.Join(s.code, "\n")
		if n := len(s.units) - 1; n >= 0 && len(code) <= longestCode && strings.HasSuffix(s.units[n].text, ":") && s.units[n].code == "" {
			s.units[n].code, s.lead = code, -1
		}
		s.fence, s.code = "", nil
	}
	return true
}

func (s *splitter) table(trimmed, next string) bool {
	switch {
	case s.inTable && reDelim.MatchString(trimmed):
		return true
	case s.inTable && strings.Contains(trimmed, "|"):
		s.addRow(cells(trimmed))
		return true
	case s.inTable:
		s.inTable, s.lead = false, -1
		s.block++
		return false
	case strings.Contains(trimmed, "|") && reDelim.MatchString(next) && strings.Contains(next, "|"):
		s.flush()
		s.inTable, s.header = true, cells(trimmed)
		return true
	default:
		return false
	}
}

// flush ends the open paragraph or item.
func (s *splitter) flush() {
	if len(s.pending) == 0 {
		return
	}
	text := inline(strings.Join(s.pending, " "))
	kind := s.kind
	s.pending, s.kind = nil, sentence
	if kind == item {
		s.add(item, text)
		return
	}
	s.block++
	for _, one := range sentences(text) {
		s.add(sentence, one)
	}
	s.lead = -1
	if n := len(s.units) - 1; n >= 0 && strings.HasSuffix(s.units[n].text, ":") {
		s.lead = s.units[n].place
	}
}

func (s *splitter) addRow(cells []string) {
	n := len(s.units)
	s.add(row, rowText(s.header, cells))
	if len(s.units) > n {
		s.units[n].cells, s.units[n].label = strings.Join(cells, " "), strings.Join(s.header, " ")
	}
}

func (s *splitter) add(k kind, text string) {
	if text == "" {
		return
	}
	u := unit{
		passage: s.passage, block: s.block, place: len(s.units), kind: k, text: text,
		heading: strings.TrimSpace(s.path + " " + s.heading), lead: -1,
	}
	if k != sentence {
		u.lead = s.lead
	}
	s.units = append(s.units, u)
}

package ingest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// blockParser reads the block structure and leaves inline markup alone: chunks
// keep the source as it is, and inline parsing is where hostile input costs.
var blockParser = parser.NewParser(
	parser.WithBlockParsers(parser.DefaultBlockParsers()...),
	parser.WithParagraphTransformers(util.Prioritized(extension.NewTableParagraphTransformer(), 200)),
)

func parseMarkdown(src []byte, limits Limits) (document, error) {
	if err := checkNesting(src, limits.Depth); err != nil {
		return document{}, err
	}
	begin, title := frontMatter(src)
	body := src[begin:]
	root := blockParser.Parse(text.NewReader(body))
	m := mdBuilder{src: src, doc: document{title: title}}
	var nodes []ast.Node
	var starts []int
	for n := root.FirstChild(); n != nil; n = n.NextSibling() {
		if at := position(n); at >= 0 {
			nodes = append(nodes, n)
			starts = append(starts, begin+lineStart(body, at))
		}
	}
	// A block reaches to the next one, so that nothing between them is lost.
	if len(starts) > 0 {
		starts[0] = begin
	}
	for i, n := range nodes {
		end := len(src)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		m.add(n, starts[i], end, begin)
	}
	return m.doc, nil
}

type mdBuilder struct {
	src  []byte
	doc  document
	path []string // headings above, by level; "" where a level is missing
}

func (m *mdBuilder) add(n ast.Node, start, end, begin int) {
	if start >= end {
		return
	}
	b := block{kind: paragraph}
	switch v := n.(type) {
	case *ast.Heading:
		b.kind = heading
		b.units = []unit{{start: start, end: end}}
		m.enter(v.Level, headingText(v, m.src[begin:]))
	case *ast.FencedCodeBlock, *ast.CodeBlock, *extast.Table:
		b.kind = whole
		b.units = lines(m.src, start, end)
	case *ast.List:
		b.kind = list
		b.units = m.items(v, start, end, begin)
	default:
		b.units = sentences(m.src, start, end)
	}
	b.headings = m.headings()
	m.doc.blocks = append(m.doc.blocks, b)
}

// items are the entries of a list, each to the start of the next.
func (m *mdBuilder) items(l *ast.List, start, end, begin int) []unit {
	var out []unit
	from := start
	for n := l.FirstChild(); n != nil; n = n.NextSibling() {
		at := position(n)
		if at < 0 {
			continue
		}
		at = begin + lineStart(m.src[begin:], at)
		if at <= from || at >= end {
			continue
		}
		out, from = append(out, unit{start: from, end: at}), at
	}
	return append(out, unit{start: from, end: end})
}

func (m *mdBuilder) enter(level int, title string) {
	if m.doc.title == "" {
		m.doc.title = title
	}
	m.path = slices.Grow(m.path, level)
	for len(m.path) < level {
		m.path = append(m.path, "")
	}
	m.path = append(m.path[:level-1], title)
}

func (m *mdBuilder) headings() []string {
	out := make([]string, 0, len(m.path))
	for _, h := range m.path {
		if h != "" {
			out = append(out, h)
		}
	}
	return out
}

func headingText(h *ast.Heading, src []byte) string {
	var parts []string
	for _, seg := range h.Lines().Sliced(0, h.Lines().Len()) {
		parts = append(parts, strings.TrimSpace(string(seg.Value(src))))
	}
	return clip(strings.Join(parts, " "), 200)
}

// clip shortens a text to whole characters within n bytes.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// position is the first byte that the node or anything in it stands at.
func position(n ast.Node) int {
	best := -1
	take := func(at int) {
		if at >= 0 && (best < 0 || at < best) {
			best = at
		}
	}
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		if n.Type() == ast.TypeInline {
			return ast.WalkSkipChildren, nil
		}
		take(n.Pos())
		if l := n.Lines(); l != nil && l.Len() > 0 {
			take(l.At(0).Start)
		}
		return ast.WalkContinue, nil
	})
	return best
}

func lineStart(src []byte, at int) int {
	return bytes.LastIndexByte(src[:min(at, len(src))], '\n') + 1
}

// frontMatter finds where the text begins behind a YAML header, and the title in it.
func frontMatter(src []byte) (begin int, title string) {
	start := bom(src)
	rest := src[start:]
	if !bytes.HasPrefix(rest, []byte("---\n")) && !bytes.HasPrefix(rest, []byte("---\r\n")) {
		return start, ""
	}
	for i, l := range lines(src, start, len(src)) {
		line := strings.TrimRight(string(src[l.start:l.end]), "\r\n")
		if i == 0 {
			continue
		}
		if line == "---" || line == "..." {
			return l.end, title
		}
		if v, ok := strings.CutPrefix(line, "title:"); ok {
			title = clip(strings.Trim(strings.TrimSpace(v), `"'`), 200)
		}
	}
	return start, "" // never closed: it was a rule, not a header
}

// checkNesting refuses lines that open more quotes and lists than any person
// writes, before the parser builds them.
func checkNesting(src []byte, limit int) error {
	for l := range bytes.Lines(src) {
		if openings(l) > limit {
			return refuse("quotes and lists nest deeper than %d", limit)
		}
	}
	return nil
}

// openings counts the quote and list markers that a line begins with. A line
// of nothing but markers of one kind is a rule, unless the kind is a quote.
func openings(line []byte) int {
	line = bytes.TrimRight(line, " \t\r\n")
	if rest := bytes.Trim(line, "*-_ \t"); len(rest) == 0 {
		return 0
	}
	n := 0
	for i := 0; i < len(line); i++ {
		c := line[i]
		spaced := i+1 == len(line) || line[i+1] == ' ' || line[i+1] == '\t'
		switch {
		case c == ' ' || c == '\t' || c >= '0' && c <= '9':
		case c == '>':
			n++
		case spaced && (c == '*' || c == '+' || c == '-' || c == '.' || c == ')'):
			n++
		default:
			return n
		}
	}
	return n
}

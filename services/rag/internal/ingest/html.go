package ingest

import (
	"errors"
	stdhtml "html"
	"io"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// parseHTML reads the text of a page with the place of each piece in the
// source. It works on tokens and builds no tree, so that depth costs nothing
// and every byte keeps its position.
func parseHTML(src []byte) (document, error) {
	b := htmlBuilder{src: src}
	z := html.NewTokenizer(strings.NewReader(string(src)))
	at := 0
	for {
		kind := z.Next()
		raw := len(z.Raw())
		switch kind {
		case html.ErrorToken:
			if err := z.Err(); !errors.Is(err, io.EOF) {
				return document{}, refuse("the page cannot be read: %v", err)
			}
			b.close()
			return b.document(), nil
		case html.TextToken:
			b.text(at, at+raw)
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			b.open(atom.Lookup(name), kind == html.SelfClosingTagToken)
		case html.EndTagToken:
			name, _ := z.TagName()
			b.shut(atom.Lookup(name))
		}
		at += raw
	}
}

type htmlBuilder struct {
	src       []byte
	pageTitle string
	path      mdBuilder // keeps the heading path, as for Markdown
	blocks    []block

	cur     block
	skip    atom.Atom // element whose text is left out
	skips   int       // how many of it are open
	title   bool      // inside <title>
	level   int       // of the heading that is open, else 0
	tables  int       // open tables
	pre     int       // open preformatted elements
	pending string    // separator that goes before the next text
}

// skipped elements hold no text for readers.
var skipped = map[atom.Atom]bool{
	atom.Script: true, atom.Style: true, atom.Template: true, atom.Svg: true, atom.Noscript: true,
	atom.Iframe: true, atom.Object: true, atom.Head: true,
}

var headingLevels = map[atom.Atom]int{atom.H1: 1, atom.H2: 2, atom.H3: 3, atom.H4: 4, atom.H5: 5, atom.H6: 6}

// breaking elements end a paragraph where they begin and where they end.
var breaking = map[atom.Atom]bool{
	atom.P: true, atom.Div: true, atom.Section: true, atom.Article: true, atom.Main: true, atom.Header: true,
	atom.Footer: true, atom.Nav: true, atom.Aside: true, atom.Ul: true, atom.Ol: true, atom.Dl: true,
	atom.Blockquote: true, atom.Figure: true, atom.Figcaption: true, atom.Form: true, atom.Fieldset: true,
	atom.Hr: true, atom.Address: true, atom.Details: true, atom.Summary: true, atom.Body: true, atom.Html: true,
}

func (b *htmlBuilder) open(tag atom.Atom, selfClosing bool) {
	if tag == atom.Title && b.skip != atom.Svg {
		b.title = !selfClosing
		return
	}
	if b.skip != 0 {
		switch {
		case tag == b.skip && !selfClosing:
			b.skips++
		case b.skip == atom.Head && tag == atom.Body: // a head that was never closed
			b.skip, b.skips = 0, 0
		}
		return
	}
	switch {
	case skipped[tag]:
		if !selfClosing {
			b.skip, b.skips = tag, 1
		}
	case headingLevels[tag] > 0:
		b.close()
		b.level, b.cur.kind = headingLevels[tag], heading
	case tag == atom.Table:
		if b.tables == 0 {
			b.close()
		}
		b.tables++
		b.cur.kind = whole
	case tag == atom.Pre:
		if b.tables == 0 && b.pre == 0 {
			b.close()
		}
		b.pre++
		b.cur.kind = whole
	default:
		b.separate(tag)
	}
}

// separate notes what stands between two texts.
func (b *htmlBuilder) separate(tag atom.Atom) {
	switch {
	case tag == atom.Br || tag == atom.Tr || tag == atom.Dt || tag == atom.Dd:
		b.pending = "\n"
	case tag == atom.Td || tag == atom.Th:
		if b.pending != "\n" {
			b.pending = " | "
		}
	case tag == atom.Li:
		b.pending = "\n- "
	case breaking[tag]:
		if b.tables > 0 || b.pre > 0 {
			b.pending = "\n"
			return
		}
		b.close()
	}
}

func (b *htmlBuilder) shut(tag atom.Atom) {
	if tag == atom.Title {
		b.title = false
		return
	}
	if b.skip != 0 {
		if tag == b.skip {
			if b.skips--; b.skips == 0 {
				b.skip = 0
			}
		}
		return
	}
	switch {
	case headingLevels[tag] > 0:
		b.close()
	case tag == atom.Table && b.tables > 0:
		if b.tables--; b.tables == 0 {
			b.close()
		}
	case tag == atom.Pre && b.pre > 0:
		if b.pre--; b.pre == 0 && b.tables == 0 {
			b.close()
		}
	case tag == atom.Li || tag == atom.Td || tag == atom.Th || tag == atom.Br:
	default:
		b.separate(tag)
	}
}

func (b *htmlBuilder) text(start, end int) {
	if b.title {
		b.pageTitle = clip(strings.Join(strings.Fields(stdhtml.UnescapeString(string(b.src[start:end]))), " "), 200)
		return
	}
	if b.skip != 0 {
		return
	}
	if b.pre > 0 {
		for _, u := range lines(b.src, start, end) {
			b.put(u, stdhtml.UnescapeString(string(b.src[u.start:u.end])))
		}
		return
	}
	if a, z := trim(b.src, start, end); a == z {
		if start < end && b.pending == "" {
			b.pending = " "
		}
		return
	}
	for _, u := range sentences(b.src, start, end) {
		b.put(u, collapse(stdhtml.UnescapeString(string(b.src[u.start:u.end]))))
	}
}

func (b *htmlBuilder) put(u unit, text string) {
	if len(b.cur.units) > 0 {
		text = b.pending + text
	}
	b.pending = ""
	u.text, u.marked = text, true
	b.cur.units = append(b.cur.units, u)
}

// collapse makes one space of each run of white space and keeps those at the ends.
func collapse(s string) string {
	var out strings.Builder
	space := false
	for _, r := range s {
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' || r == '\f' {
			space = true
			continue
		}
		if space {
			out.WriteByte(' ')
			space = false
		}
		out.WriteRune(r)
	}
	if space {
		out.WriteByte(' ')
	}
	return out.String()
}

// close ends the current block.
func (b *htmlBuilder) close() {
	level := b.level
	b.level, b.pending = 0, ""
	cur := b.cur
	b.cur = block{}
	if b.tables > 0 || b.pre > 0 {
		b.cur.kind = whole
	}
	if len(cur.units) == 0 {
		return
	}
	if level > 0 {
		b.path.enter(level, clip(strings.TrimSpace(joined(cur.units)), 200))
	}
	cur.headings = b.path.headings()
	b.blocks = append(b.blocks, cur)
}

func joined(units []unit) string {
	var out strings.Builder
	for _, u := range units {
		out.WriteString(u.text)
	}
	return out.String()
}

func (b *htmlBuilder) document() document {
	title := b.pageTitle
	if title == "" {
		title = b.path.doc.title
	}
	return document{title: title, blocks: b.blocks}
}

package ingest

import (
	"html"
	"slices"
	"strings"
	"unicode/utf8"
)

// cut joins blocks into chunks: whole sections where they fit, whole blocks
// where they do not, and sentences, lines or items of a block that is too
// large by itself.
func cut(src []byte, blocks []block, limits Limits) ([]Chunk, error) {
	c := cutter{src: src, limits: limits}
	for _, b := range blocks {
		c.add(b)
		if len(c.chunks) > limits.Chunks {
			return nil, refuse("the document gives more than %d chunks", limits.Chunks)
		}
	}
	c.flush()
	if len(c.chunks) > limits.Chunks {
		return nil, refuse("the document gives more than %d chunks", limits.Chunks)
	}
	return c.chunks, nil
}

type cutter struct {
	src    []byte
	limits Limits
	chunks []Chunk

	units    []unit
	breaks   []int // where in units a new block begins
	size     int
	headings []string
	body     bool // the chunk holds more than headings
}

func (c *cutter) add(b block) {
	size := b.words(c.src)
	if size == 0 {
		return
	}
	if b.kind == heading {
		if c.body && c.size >= c.limits.MinWords {
			c.flush()
		}
		c.take(b, b.units, size, true)
		return
	}
	room := c.limits.TargetWords
	if c.size < c.limits.MinWords {
		room = c.limits.MaxWords
	}
	largest := c.limits.MaxWords
	if b.kind == whole {
		largest = c.limits.WholeWords
	}
	switch {
	case c.size+size <= room:
		c.take(b, b.units, size, true)
	case size <= largest:
		if c.body {
			c.flush() // a heading alone stays with what it stands above
		}
		c.take(b, b.units, size, true)
	default:
		c.split(b)
	}
}

// take adds units of a block; begins says that they are its first.
func (c *cutter) take(b block, units []unit, size int, begins bool) {
	switch {
	case len(c.units) == 0 || !c.body:
		c.headings = b.headings
	default:
		c.headings = common(c.headings, b.headings)
	}
	if begins {
		c.breaks = append(c.breaks, len(c.units))
	}
	c.units = append(c.units, units...)
	c.size += size
	c.body = c.body || b.kind != heading
}

// split spreads a block over several chunks. Of a paragraph the next chunk
// repeats the last sentences, so that what spans the cut is found.
func (c *cutter) split(b block) {
	if c.body && c.size >= c.limits.MinWords {
		c.flush()
	}
	for i, u := range c.small(b.units) {
		size := u.words(c.src)
		if i > 0 && c.full(size) {
			repeat := c.tail(b)
			c.flush()
			for _, r := range repeat {
				if n := r.words(c.src); c.size+n+size <= c.limits.MaxWords {
					c.take(b, []unit{r}, n, false)
				}
			}
		} else if c.body && c.size+size > c.limits.MaxWords {
			c.flush()
		}
		c.take(b, []unit{u}, size, i == 0)
	}
}

// full reports whether more of that size should go to the next chunk.
func (c *cutter) full(size int) bool {
	return c.size+size > c.limits.TargetWords && c.size >= c.limits.MinWords || c.size+size > c.limits.MaxWords
}

// tail are the last units of the chunk that the next one repeats.
func (c *cutter) tail(b block) []unit {
	if b.kind != paragraph {
		return nil
	}
	size, from := 0, len(c.units)
	for from > 1 {
		n := c.units[from-1].words(c.src)
		if size+n > c.limits.OverlapWords {
			break
		}
		size += n
		from--
	}
	return slices.Clone(c.units[from:])
}

// small cuts the units that are larger than a chunk by themselves.
func (c *cutter) small(units []unit) []unit {
	var out []unit
	for _, u := range units {
		if u.words(c.src) <= c.limits.MaxWords {
			out = append(out, u)
			continue
		}
		out = append(out, c.pieces(u)...)
	}
	return out
}

// pieces cuts a unit at spaces, and a word that is too long between characters.
func (c *cutter) pieces(u unit) []unit {
	var out []unit
	longest := c.limits.MaxWords * 8
	from, count := u.start, 0
	add := func(end int) {
		p := unit{start: from, end: end, marked: u.marked}
		if u.marked {
			p.text = collapse(html.UnescapeString(string(c.src[from:end])))
		}
		out, from, count = append(out, p), end, 0
	}
	for i := u.start; i < u.end; {
		_, n := utf8.DecodeRune(c.src[i:u.end])
		if i > from && isSpace(c.src[i-1]) && !isSpace(c.src[i]) {
			count++
		}
		if i > from && (count >= c.limits.MaxWords || i+n-from > longest) {
			add(i)
		}
		i += n
	}
	if from < u.end {
		add(u.end)
	}
	return out
}

func (c *cutter) flush() {
	units, breaks, headings := c.units, c.breaks, c.headings
	c.units, c.breaks, c.size, c.headings, c.body = nil, nil, 0, nil, false
	if len(units) == 0 {
		return
	}
	start, end := trim(c.src, units[0].start, units[len(units)-1].end)
	if start == end {
		return
	}
	text := string(c.src[start:end])
	if units[0].marked {
		if text = plain(units, breaks); text == "" {
			return
		}
	}
	c.chunks = append(c.chunks, Chunk{Start: start, End: end, Text: text, Headings: headings})
}

// plain is the text of units whose source is marked up, with blank lines
// between blocks.
func plain(units []unit, breaks []int) string {
	var out strings.Builder
	for i, u := range units {
		if i > 0 && slices.Contains(breaks, i) {
			out.WriteString("\n\n")
		}
		out.WriteString(u.text)
	}
	return strings.TrimSpace(out.String())
}

func common(a, b []string) []string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return slices.Clip(a[:n])
}

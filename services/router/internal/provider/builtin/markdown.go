package builtin

import (
	"html"
	"regexp"
	"strings"
)

// kind is where in a document a unit stood.
type kind uint8

const (
	sentence kind = iota
	item          // of a list
	row           // of a table
)

// unit is the smallest piece that is quoted.
type unit struct {
	passage int    // index of its passage
	block   int    // paragraph, list or table, numbered through the passage
	place   int    // place in the passage
	kind    kind   // where it stood
	text    string // as it is quoted
	heading string // the headings above it
	lead    int    // place of the line that introduces its list, or -1
	cells   string // for a row, its cells alone
	label   string // for a row, the head of its table: it says what the cells are, and is not said by them
	code    string // the short code block that it introduces, with its fences
}

// said is the text of a unit without what only labels it.
func (u *unit) said() string {
	if u.label == "" {
		return u.text
	}
	return u.cells
}

// longestCode is the most bytes of code that are quoted with the line before it.
const longestCode = 400

var (
	reHeading  = regexp.MustCompile(`^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$`)
	reItem     = regexp.MustCompile(`^\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ xX]\]\s+)?(.*)$`)
	reRule     = regexp.MustCompile(`^\s{0,3}(?:[-*_]\s*){3,}$`)
	reSetext   = regexp.MustCompile(`^\s{0,3}(?:=+|-{2,})\s*$`)
	reDelim    = regexp.MustCompile(`^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$`)
	reLinkDef  = regexp.MustCompile(`^\s{0,3}\[[^\]]+\]:\s`)
	reFence    = regexp.MustCompile("^\\s*(```+|~~~+)")
	reTag      = regexp.MustCompile(`(?i)<(/?)(p|div|h[1-6]|li|ul|ol|br|tr|td|th|table|section|article|header|footer|nav|pre|blockquote|dd|dt|dl|hr|head|body|html|title|main)\b[^>]*>`)
	reInline   = regexp.MustCompile(`</?[a-zA-Z][^<>]*>`)
	reDropped  = regexp.MustCompile(`(?is)<!--.*?-->|<(script|style|template)\b.*?</(script|style|template)>`)
	reImage    = regexp.MustCompile(`!\[[^\]]*\]\([^)]*\)`)
	reLink     = regexp.MustCompile(`\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])`)
	reFootnote = regexp.MustCompile(`\s?\[\^?\d{1,3}\]`)
	reStrong   = regexp.MustCompile(`(\*\*|__)(\S(?:.*?\S)?)(\*\*|__)`)
	reEm       = regexp.MustCompile(`(^|[\s(“"])([*_])(\S(?:[^*_]*\S)?)([*_])([\s.,;:!?)”"]|$)`)
)

// plain turns HTML into lines that read like Markdown; other text is left alone.
func plain(text string) string {
	text = reDropped.ReplaceAllString(text, "")
	if !strings.Contains(text, "</") && !reTag.MatchString(text) {
		return text
	}
	text = reTag.ReplaceAllStringFunc(text, func(tag string) string {
		m := reTag.FindStringSubmatch(tag)
		switch name := strings.ToLower(m[2]); {
		case m[1] == "" && name == "li":
			return "\n- "
		case m[1] == "" && len(name) == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6':
			return "\n\n" + strings.Repeat("#", int(name[1]-'0')) + " "
		case name == "td" || name == "th":
			return " "
		default:
			return "\n\n"
		}
	})
	return html.UnescapeString(reInline.ReplaceAllString(text, ""))
}

// inline takes the marks of Markdown out of running text; code keeps its
// backticks, because they carry meaning. A bracketed number would read as one
// of our own markers and goes.
func inline(text string) string {
	parts := strings.Split(text, "`")
	if len(parts)%2 == 0 { // an unpaired backtick
		return strings.Join(strings.Fields(prose(text)), " ")
	}
	for i := 0; i < len(parts); i += 2 {
		parts[i] = prose(parts[i])
	}
	return strings.Join(strings.Fields(strings.Join(parts, "`")), " ")
}

func prose(s string) string {
	s = reImage.ReplaceAllString(s, "")
	s = reLink.ReplaceAllString(s, "$1")
	s = reFootnote.ReplaceAllString(s, "")
	s = reStrong.ReplaceAllString(s, "$2")
	s = reEm.ReplaceAllString(s, "$1$3$5")
	return reInline.ReplaceAllString(s, "")
}

// cells splits a table row.
func cells(line string) []string {
	line = strings.TrimSpace(line)
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	out := strings.Split(strings.ReplaceAll(line, `\|`, "\x00"), "|")
	for i := range out {
		out[i] = inline(strings.ReplaceAll(out[i], "\x00", "|"))
	}
	return out
}

// rowText writes a table row as a line that can be read without its table:
// "router — owns: the path of a request; at scale: Valkey".
func rowText(header, row []string) string {
	var b strings.Builder
	for i, cell := range row {
		if cell == "" || cell == "–" || cell == "-" {
			continue
		}
		switch {
		case b.Len() == 0:
		case i == 1:
			b.WriteString(" — ")
		default:
			b.WriteString("; ")
		}
		if i > 0 && i < len(header) && header[i] != "" {
			b.WriteString(header[i] + ": ")
		}
		b.WriteString(cell)
	}
	return b.String()
}

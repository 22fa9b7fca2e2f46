// Package ingest cuts documents into chunks. A chunk follows the structure of
// its document (headings, paragraphs, lists, tables, code) and knows which
// bytes of the original it stands for.
package ingest

import (
	"bytes"
	"fmt"
	"path"
	"strings"
	"unicode/utf8"
)

// The media types that can be ingested.
const (
	Markdown = "text/markdown"
	HTML     = "text/html"
	Text     = "text/plain"
)

// Version names the way of cutting. It changes when the chunks of an
// unchanged document do.
const Version = "chunks-1"

// Limits bound what one document may cost and shape its chunks. Sizes are in
// words; eight bytes count as a word at least, so that scripts without spaces
// and long runs of data are bounded too.
type Limits struct {
	// Bytes is the largest document.
	Bytes int
	// Depth is how deep quotes and lists may nest.
	Depth int
	// Chunks is the most chunks one document may give.
	Chunks int
	// MinWords is the size below which a section is joined with the next.
	MinWords int
	// TargetWords is the size at which a chunk is full.
	TargetWords int
	// MaxWords is the largest chunk of running text.
	MaxWords int
	// WholeWords is the largest table or code block that is kept in one piece.
	WholeWords int
	// OverlapWords is how much of a long paragraph's last chunk the next repeats, at most.
	OverlapWords int
}

// DefaultLimits suit prose and technical documents.
func DefaultLimits() Limits {
	return Limits{
		Bytes: 10 << 20, Depth: 32, Chunks: 20_000,
		MinWords: 60, TargetWords: 200, MaxWords: 300, WholeWords: 600, OverlapWords: 40,
	}
}

// Chunk is a piece of a document.
type Chunk struct {
	// Start and End are the bytes of the original that the chunk stands for.
	Start, End int
	// Text is what it says. For Markdown and plain text it is exactly the
	// bytes from Start to End, for HTML it is those bytes without the markup.
	Text string
	// Headings stand above the chunk, the outermost first.
	Headings []string
}

// Result is a document cut into chunks.
type Result struct {
	// Title is the document's own title or first heading; may be empty.
	Title string
	// Chunks are in the order of the document; there is at least one.
	Chunks []Chunk
}

// Error says why a document cannot be ingested. Its text is for people and
// holds nothing of the document.
type Error struct{ reason string }

// Error gives the reason.
func (e *Error) Error() string { return e.reason }

func refuse(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// MediaType guesses the type from a name's ending; plain text when it tells nothing.
func MediaType(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".md", ".markdown", ".mdx":
		return Markdown
	case ".html", ".htm", ".xhtml":
		return HTML
	}
	return Text
}

// Cut parses a document and cuts it into chunks.
func Cut(src []byte, mediaType string, limits Limits) (Result, error) {
	if err := check(src, limits); err != nil {
		return Result{}, err
	}
	var (
		doc document
		err error
	)
	switch mediaType {
	case Markdown:
		doc, err = parseMarkdown(src, limits)
	case HTML:
		doc, err = parseHTML(src)
	case Text:
		doc = parseText(src)
	default:
		return Result{}, refuse("media type %q cannot be ingested", mediaType)
	}
	if err != nil {
		return Result{}, err
	}
	chunks, err := cut(src, doc.blocks, limits)
	if err != nil {
		return Result{}, err
	}
	if len(chunks) == 0 {
		return Result{}, refuse("no text was found in the document")
	}
	return Result{Title: doc.title, Chunks: chunks}, nil
}

func check(src []byte, limits Limits) error {
	switch {
	case len(src) == 0:
		return refuse("the document is empty")
	case len(src) > limits.Bytes:
		return refuse("the document has %d bytes, the limit is %d", len(src), limits.Bytes)
	case bytes.IndexByte(src, 0) >= 0:
		return refuse("the document is not text: it holds a zero byte at %d", bytes.IndexByte(src, 0))
	case !utf8.Valid(src):
		return refuse("the document is not UTF-8: bad byte at %d", firstInvalid(src))
	}
	return nil
}

func firstInvalid(src []byte) int {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(src)
}

// Package corpus holds the nouns of the rag service: collections, documents,
// chunks, and the hits of a search.
package corpus

import (
	"time"

	"github.com/tollgate/tollgate/services/rag/internal/sparse"
)

// Collection is a named set of documents of one organisation.
type Collection struct {
	Name        string // the last segment of the resource name
	Description string
	Created     time.Time
}

// Counts says how much a collection holds.
type Counts struct {
	Documents, Chunks int64
}

// Document is what is known of an ingested document.
type Document struct {
	Collection string
	Name       string // the last segment of the resource name
	Title      string
	URI        string
	MediaType  string
	Metadata   map[string]string
	Size       int64  // bytes
	Hash       string // SHA-256 of the content, hex
	// Version identifies all that its chunks were made from: content,
	// description, and the ways of cutting and weighing.
	Version string
	Chunks  int
	Updated time.Time
}

// Chunk is a piece of a document as it is stored and found.
type Chunk struct {
	ID         string // stable: the same content of the same document has the same id
	Ordinal    int    // place in the document, from 0
	Start, End int    // bytes of the original
	Text       string
	Headings   []string
	// Lead is the white space between the chunk before and this one, where
	// texts are verbatim.
	Lead  string
	Terms sparse.Vector // empty when read back
}

// Verbatim reports whether the text is the very bytes of the original from
// Start to End, which it is unless mark-up was taken out.
func (c Chunk) Verbatim() bool { return len(c.Text) == c.End-c.Start }

// Hit is a chunk that fits a query.
type Hit struct {
	Chunk    Chunk
	Document Document
	Score    float64
}

// Record is a named thing that an organisation keeps beside its documents,
// such as a prompt template. Body is the keeper's own encoding.
type Record struct {
	Kind    string
	Name    string
	Version int // 0 where the kind has no versions
	Body    string
	Created time.Time
}

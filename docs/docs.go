// Package docs carries Tollgate's own documentation in the binary, so that the
// demo can ingest it wherever it runs.
package docs

import "embed"

// Files are the pages, one per concern.
//
//go:embed *.md
var Files embed.FS

package rag

import (
	"math"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/rag/internal/ingest"
	"github.com/tollgate/tollgate/services/rag/internal/qdrantlocal"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
)

// Config is the rag section of the configuration.
type Config struct {
	// Qdrant names a server; without an address the embedded store is used.
	Qdrant Qdrant `yaml:"qdrant"`
	// Embedded tunes the embedded store.
	Embedded Embedded `yaml:"embedded"`
	// Chunks shapes how documents are cut. A change takes effect when a
	// document is ingested again.
	Chunks Chunks `yaml:"chunks"`
	// BM25 shapes how terms weigh. A change takes effect as that of Chunks.
	BM25 BM25 `yaml:"bm25"`
	// MaxDocument is the largest document.
	MaxDocument config.Bytes `yaml:"max_document"`
	// MaxCollections bounds the collections of one organisation.
	MaxCollections int `yaml:"max_collections"`
	// ContextTokens is the size of a context block where the route names none.
	ContextTokens int `yaml:"context_tokens"`
	// Candidates is how many passages are considered for a context block.
	Candidates int `yaml:"candidates"`
}

// Qdrant says where a Qdrant server is.
type Qdrant struct {
	// Addr is host:port of its gRPC endpoint.
	Addr string `yaml:"addr"`
	// APIKey is sent with each request.
	APIKey secret.String `yaml:"api_key"`
	// TLS encrypts the connection.
	TLS bool `yaml:"tls"`
	// Prefix begins the names of the two collections that are made there.
	Prefix string `yaml:"prefix"`
	// Timeout bounds one request.
	Timeout config.Duration `yaml:"timeout"`
}

// Embedded tunes the embedded store.
type Embedded struct {
	// Sync says when writes are forced to the disk: always (before an ingest
	// is acknowledged), interval, or never (left to the operating system).
	Sync string `yaml:"sync"`
	// SyncInterval is the period of interval.
	SyncInterval config.Duration `yaml:"sync_interval"`
}

// Chunks shapes how documents are cut; sizes in words.
type Chunks struct {
	Min     int `yaml:"min"`     // smaller sections are joined with the next
	Target  int `yaml:"target"`  // a chunk of this size is full
	Max     int `yaml:"max"`     // the largest chunk of running text
	Whole   int `yaml:"whole"`   // the largest table or code block kept in one piece
	Overlap int `yaml:"overlap"` // what chunks of one long paragraph share at most
	// PerDocument is the most chunks that one document may give.
	PerDocument int `yaml:"per_document"`
}

// BM25 shapes how terms weigh.
type BM25 struct {
	K1            float64 `yaml:"k1"`             // how slowly repeated terms saturate
	B             float64 `yaml:"b"`              // how much long chunks are discounted, 0 to 1
	AverageLength float64 `yaml:"average_length"` // the length, in terms, that is not discounted
	TitleWeight   float64 `yaml:"title_weight"`   // how often a term of title or headings counts
}

// DefaultConfig works without a file: the embedded store in the data folder.
func DefaultConfig() Config {
	l, p := ingest.DefaultLimits(), sparse.DefaultParams()
	return Config{
		Qdrant:         Qdrant{Prefix: "tollgate", Timeout: config.Duration(10 * time.Second)},
		Embedded:       Embedded{Sync: string(qdrantlocal.SyncAlways), SyncInterval: config.Duration(100 * time.Millisecond)},
		Chunks:         Chunks{l.MinWords, l.TargetWords, l.MaxWords, l.WholeWords, l.OverlapWords, l.Chunks},
		BM25:           BM25(p),
		MaxDocument:    config.Bytes(l.Bytes),
		MaxCollections: 1000,
		ContextTokens:  2000,
		Candidates:     24,
	}
}

const (
	maxDocumentLimit = 64 << 20
	maxWords         = 10_000
	maxPerDocument   = 100_000
	maxContextTokens = 1_000_000
	maxCandidates    = 200
)

// Validate implements config.Section.
func (c Config) Validate(v *config.Validator) {
	v.Check("qdrant", c.Qdrant)
	v.Check("embedded", c.Embedded)
	v.Check("chunks", c.Chunks)
	v.Check("bm25", c.BM25)
	if c.MaxDocument < 1 || c.MaxDocument > maxDocumentLimit {
		v.Fail("max_document", "must be from 1 B to 64 MiB")
	}
	between(v, "max_collections", c.MaxCollections, 1, 100_000)
	between(v, "context_tokens", c.ContextTokens, 1, maxContextTokens)
	between(v, "candidates", c.Candidates, 1, maxCandidates)
}

func between(v *config.Validator, path string, n, low, high int) {
	if n < low || n > high {
		v.Fail(path, "must be from %d to %d", low, high)
	}
}

// Validate implements config.Section.
func (q Qdrant) Validate(v *config.Validator) {
	if q.Prefix == "" || len(q.Prefix) > 100 {
		v.Fail("prefix", "must have from 1 to 100 characters")
	}
	for _, r := range q.Prefix {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' {
			v.Fail("prefix", "may hold letters, digits, - and _")
			break
		}
	}
	if q.Timeout.Std() < time.Millisecond || q.Timeout.Std() > 10*time.Minute {
		v.Fail("timeout", "must be from 1ms to 10m")
	}
	if q.Addr == "" && (q.TLS || !q.APIKey.IsZero()) {
		v.Fail("addr", "is missing, but tls or api_key is set").WithHelp("name the server as host:port, or remove both for the embedded store")
	}
}

// Validate implements config.Section.
func (e Embedded) Validate(v *config.Validator) {
	switch qdrantlocal.SyncPolicy(e.Sync) {
	case qdrantlocal.SyncAlways, qdrantlocal.SyncInterval, qdrantlocal.SyncNever:
	default:
		v.Fail("sync", "must be always, interval or never")
	}
	if e.SyncInterval.Std() < time.Millisecond || e.SyncInterval.Std() > time.Minute {
		v.Fail("sync_interval", "must be from 1ms to 1m")
	}
}

// Validate implements config.Section.
func (c Chunks) Validate(v *config.Validator) {
	between(v, "max", c.Max, 10, maxWords)
	between(v, "whole", c.Whole, c.Max, maxWords)
	between(v, "target", c.Target, 1, c.Max)
	between(v, "min", c.Min, 0, c.Target)
	between(v, "overlap", c.Overlap, 0, c.Target/2)
	between(v, "per_document", c.PerDocument, 1, maxPerDocument)
}

// Validate implements config.Section.
func (b BM25) Validate(v *config.Validator) {
	for path, bad := range map[string]bool{
		"k1":             !(b.K1 > 0 && b.K1 <= 10),
		"b":              !(b.B >= 0 && b.B <= 1),
		"average_length": !(b.AverageLength >= 1) || math.IsInf(b.AverageLength, 1),
		"title_weight":   !(b.TitleWeight >= 0 && b.TitleWeight <= 10),
	} {
		if bad {
			v.Fail(path, "is out of range: k1 above 0 to 10, b 0 to 1, average_length 1 or more, title_weight 0 to 10")
		}
	}
}

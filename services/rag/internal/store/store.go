// Package store keeps documents, chunks and records in Qdrant, through its
// own client. Whether a Qdrant cluster answers or the embedded server makes no
// difference here.
//
// Two Qdrant collections serve all organisations: one holds the chunks with
// their vectors, the other everything else as points without vectors. Every
// point carries its organisation, and every request is filtered by it; the
// filter has one constructor, which refuses an empty organisation.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Options tune a Store.
type Options struct {
	// Prefix begins the names of the Qdrant collections; "tollgate" when empty.
	Prefix string
	// Timeout bounds one request; 10 s when zero.
	Timeout time.Duration
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Store is safe for concurrent use.
type Store struct {
	client *qdrant.Client
	chunks string // name of the Qdrant collection of chunks
	meta   string // name of the Qdrant collection of all else
	opts   Options
}

// New makes a store over a client. Call Prepare before use.
func New(client *qdrant.Client, opts Options) *Store {
	if opts.Prefix == "" {
		opts.Prefix = "tollgate"
	}
	if opts.Timeout <= 0 {
		opts.Timeout = 10 * time.Second
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	return &Store{client: client, chunks: opts.Prefix + "_chunks", meta: opts.Prefix + "_meta", opts: opts}
}

// termsVector names the BM25 vector of a chunk.
const termsVector = "terms"

// Payload fields.
const (
	fieldOrg        = "org"
	fieldKind       = "kind"
	fieldCollection = "collection"
	fieldDocument   = "document"
	fieldGeneration = "generation"
	fieldName       = "name"
)

// Prepare makes what is missing of the Qdrant collections and their indexes.
// It may be called again, and by several processes at once.
func (s *Store) Prepare(ctx context.Context) error {
	// Graphs are built per tenant and not over all (payload_m without m), which
	// is Qdrant's advice for many small tenants.
	hnsw := &qdrant.HnswConfigDiff{M: qdrant.PtrOf(uint64(0)), PayloadM: qdrant.PtrOf(uint64(16))}
	err := s.ensure(ctx, &qdrant.CreateCollection{
		CollectionName: s.chunks, HnswConfig: hnsw,
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{
			termsVector: {Modifier: qdrant.PtrOf(qdrant.Modifier_Idf)},
		}),
	}, fieldCollection, fieldDocument, fieldGeneration)
	if err != nil {
		return err
	}
	return s.ensure(ctx, &qdrant.CreateCollection{CollectionName: s.meta, HnswConfig: hnsw},
		fieldKind, fieldCollection, fieldName, fieldGeneration, fieldGarbage)
}

func (s *Store) ensure(ctx context.Context, def *qdrant.CreateCollection, keywords ...string) error {
	err := s.call(ctx, func(ctx context.Context) error {
		exists, err := s.client.CollectionExists(ctx, def.GetCollectionName())
		if err != nil || exists {
			return err
		}
		err = s.client.CreateCollection(ctx, def)
		if err != nil {
			// Another process may have been faster; Qdrant's code for that differs by version.
			if exists, again := s.client.CollectionExists(ctx, def.GetCollectionName()); again == nil && exists {
				return nil
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, field := range append([]string{fieldOrg}, keywords...) {
		params := &qdrant.KeywordIndexParams{}
		if field == fieldOrg {
			params.IsTenant = qdrant.PtrOf(true)
		}
		err := s.call(ctx, func(ctx context.Context) error {
			_, err := s.client.CreateFieldIndex(ctx, &qdrant.CreateFieldIndexCollection{
				CollectionName: def.GetCollectionName(), FieldName: field, Wait: qdrant.PtrOf(true),
				FieldType:        qdrant.PtrOf(qdrant.FieldType_FieldTypeKeyword),
				FieldIndexParams: qdrant.NewPayloadIndexParamsKeyword(params),
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Ready reports whether the server answers.
func (s *Store) Ready(ctx context.Context) error {
	return s.call(ctx, func(ctx context.Context) error {
		_, err := s.client.HealthCheck(ctx)
		return err
	})
}

const (
	attempts   = 3
	firstPause = 50 * time.Millisecond
)

// call bounds a request and repeats it while the server is away. Every request
// that the store makes may be repeated: ids are derived, not drawn.
func (s *Store) call(ctx context.Context, do func(context.Context) error) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		one, cancel := context.WithTimeout(ctx, s.opts.Timeout)
		err := do(one)
		cancel()
		if err == nil {
			return nil
		}
		if attempt == attempts || ctx.Err() != nil || status.Code(unwrapStatus(err)) != codes.Unavailable {
			return public(ctx, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 2
	}
}

// sleep waits, unless the caller gives up first.
func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return public(ctx, ctx.Err())
	case <-time.After(pause):
		return nil
	}
}

// unwrapStatus finds the gRPC status within the client's own error type.
func unwrapStatus(err error) error {
	var st interface{ GRPCStatus() *status.Status }
	if errors.As(err, &st) {
		return st.GRPCStatus().Err()
	}
	return err
}

// public turns a client's error into one that callers may see.
func public(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("document store: %w", ctx.Err())
	}
	var limited *qdrant.QdrantResourceExhaustedError
	switch code := status.Code(unwrapStatus(err)); {
	case errors.As(err, &limited):
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the document store is busy").
			WithRetryAfter(time.Duration(limited.RetryAfterS) * time.Second).WithCause(err)
	case code == codes.Unavailable || code == codes.DeadlineExceeded:
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the document store is unavailable").WithCause(err)
	}
	return errs.Internal(err)
}

package peer

import (
	"context"
	"time"

	"google.golang.org/grpc"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
)

// Rag reaches the rag service.
type Rag struct {
	client  ragv1.RagServiceClient
	timeout time.Duration
}

// NewRag makes a client that waits at most timeout for an answer.
func NewRag(conn grpc.ClientConnInterface, timeout time.Duration) *Rag {
	return &Rag{ragv1.NewRagServiceClient(conn), timeout}
}

// Enrich finds what a prompt needs.
func (r *Rag) Enrich(ctx context.Context, request *ragv1.EnrichRequest) (*ragv1.EnrichResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return r.client.Enrich(ctx, request)
}

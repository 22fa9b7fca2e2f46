package server

import (
	"context"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// MetadataRequestID is where the HTTP edge names a request that it passes on.
const MetadataRequestID = "x-tollgate-request-id"

// requestID is the id that the edge gave the request, so that its header and
// the ledger agree. Only a caller in this process is believed: an id that a
// client chose may have been used before. Empty lets the pipeline make one.
func requestID(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr.Network() != "inproc" {
		return ""
	}
	if ids := metadata.ValueFromIncomingContext(ctx, MetadataRequestID); len(ids) == 1 {
		return ids[0]
	}
	return ""
}

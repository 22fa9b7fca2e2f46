package inproc

import (
	"context"
	"time"

	"google.golang.org/grpc/stats"
)

type statsHandlers []stats.Handler

// shape tells the kind of an RPC to stats handlers.
type shape struct {
	client                     bool
	clientStreams, serverSends bool
}

// begin announces an RPC; the returned context carries what the handlers
// attached, and the time goes to end.
func (hs statsHandlers) begin(ctx context.Context, full string, s shape) (context.Context, time.Time) {
	if len(hs) == 0 {
		return ctx, time.Time{}
	}
	for _, h := range hs {
		ctx = h.TagRPC(ctx, &stats.RPCTagInfo{FullMethodName: full, FailFast: true})
	}
	now := time.Now()
	for _, h := range hs {
		h.HandleRPC(ctx, &stats.Begin{
			Client:         s.client,
			BeginTime:      now,
			FailFast:       true,
			IsClientStream: s.clientStreams,
			IsServerStream: s.serverSends,
		})
	}
	return ctx, now
}

func (hs statsHandlers) end(ctx context.Context, begin time.Time, client bool, err error) {
	if len(hs) == 0 {
		return
	}
	now := time.Now()
	for _, h := range hs {
		h.HandleRPC(ctx, &stats.End{Client: client, BeginTime: begin, EndTime: now, Error: err})
	}
}

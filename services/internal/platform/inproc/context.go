package inproc

import (
	"context"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// serverContext gives the handler the caller's deadline and cancellation, but
// none of the caller's values: what must cross does so as metadata, as it
// would over the wire.
type serverContext struct {
	context.Context
}

// Value hides the caller's values.
func (serverContext) Value(any) any { return nil }

// AfterFunc spares contexts derived from this one a goroutine each: package
// context uses it where it cannot see through to the parent.
func (c serverContext) AfterFunc(f func()) func() bool { return context.AfterFunc(c.Context, f) }

// Hand lets a value cross as it is, under a key, with the calls that are made
// with ctx. No client can send one, since only code of this process can make
// one; over a wire it goes nowhere. Both sides share the value: treat it as
// read-only.
func Hand(ctx context.Context, key, value any) context.Context {
	before, _ := ctx.Value(handKey{}).(*hand)
	return context.WithValue(ctx, handKey{}, &hand{key, value, before})
}

// Handed returns what the caller of the call under way handed over under a key,
// or nil. It ends with the call: calls that the handler makes do not hand it on.
func Handed(ctx context.Context, key any) any {
	for h, _ := ctx.Value(handedKey{}).(*hand); h != nil; h = h.before {
		if h.key == key {
			return h.value
		}
	}
	return nil
}

// hand is what is handed over, the last first.
type hand struct {
	key, value any
	before     *hand
}

type (
	handKey   struct{}
	handedKey struct{}
)

// address stands in for a network address.
type address struct{}

// Network implements net.Addr.
func (address) Network() string { return "inproc" }

// String implements net.Addr.
func (address) String() string { return "inproc" }

var _ net.Addr = address{}

// here is the peer that both sides see.
var here = &peer.Peer{Addr: address{}, LocalAddr: address{}}

// crossing makes the handler's context from the caller's. cancel ends it.
func crossing(ctx context.Context, creds credentials.PerRPCCredentials, full string) (context.Context, context.CancelFunc, error) {
	md, _ := metadata.FromOutgoingContext(ctx) // a copy
	if creds != nil {
		extra, err := creds.GetRequestMetadata(ctx, full)
		if err != nil {
			return nil, nil, toStatus(err)
		}
		if md == nil {
			md = make(metadata.MD, len(extra))
		}
		for k, v := range extra {
			md.Append(k, v)
		}
	}
	inner, cancel := context.WithCancel(ctx)
	var server context.Context = serverContext{inner}
	if md == nil {
		md = metadata.MD{}
	}
	server = metadata.NewIncomingContext(server, md)
	if value := ctx.Value(handKey{}); value != nil {
		server = context.WithValue(server, handedKey{}, value)
	}
	return peer.NewContext(server, here), cancel, nil
}

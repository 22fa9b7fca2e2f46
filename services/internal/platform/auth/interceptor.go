package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
)

// Metadata between Tollgate services.
const (
	// MetadataInternal carries the internal token.
	MetadataInternal = "x-tollgate-internal"
	// MetadataPrincipal carries the forwarded caller: base64 of JSON. It is
	// read only next to a right internal token.
	MetadataPrincipal = "x-tollgate-principal"
)

// publicServices need no caller: probes and tools must work without a key.
var publicServices = []string{"/grpc.health.v1.Health/", "/grpc.reflection.v1.", "/grpc.reflection.v1alpha."}

// UnaryServerInterceptor authenticates unary calls.
func (a *Authenticator) UnaryServerInterceptor() grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		ctx, err := a.admit(ctx, info.FullMethod)
		if err != nil {
			return nil, err
		}
		return handler(ctx, req)
	}
}

// StreamServerInterceptor authenticates streams when they open.
func (a *Authenticator) StreamServerInterceptor() grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		ctx, err := a.admit(stream.Context(), info.FullMethod)
		if err != nil {
			return err
		}
		return handler(srv, &authenticatedStream{ServerStream: stream, ctx: ctx})
	}
}

type authenticatedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the stream's context with its principal.
func (s *authenticatedStream) Context() context.Context { return s.ctx }

func (a *Authenticator) admit(ctx context.Context, method string) (context.Context, error) {
	if a.public(method) {
		return ctx, nil
	}
	p, err := a.authenticateGRPC(ctx)
	if err != nil {
		return nil, err
	}
	return NewContext(ctx, p), nil
}

func (a *Authenticator) public(method string) bool {
	for _, service := range publicServices {
		if strings.HasPrefix(method, service) {
			return true
		}
	}
	return slices.Contains(a.options.PublicMethods, method)
}

func (a *Authenticator) authenticateGRPC(ctx context.Context) (*Principal, error) {
	if p, ok := inproc.Handed(ctx, handover{}).(*Principal); ok {
		return p, nil
	}
	if values := metadata.ValueFromIncomingContext(ctx, MetadataInternal); len(values) > 0 {
		return a.authenticateInternal(ctx, values)
	}
	for _, value := range metadata.ValueFromIncomingContext(ctx, "authorization") {
		if key, ok := bearer(value); ok {
			return a.resolve(ctx, key)
		}
	}
	for _, value := range metadata.ValueFromIncomingContext(ctx, "x-api-key") {
		if value != "" {
			return a.resolve(ctx, value)
		}
	}
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
		"no key was sent: use the metadata authorization: Bearer")
}

// authenticateInternal trusts a forwarded caller if the token is right. Both
// sides are hashed, so that the time taken tells nothing about the token.
func (a *Authenticator) authenticateInternal(ctx context.Context, tokens []string) (*Principal, error) {
	shown := sha256.Sum256([]byte(tokens[0]))
	right := subtle.ConstantTimeCompare(shown[:], a.internal[:]) == 1
	if a.options.InternalToken.IsZero() || len(tokens) != 1 || !right {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "the internal token is wrong")
	}
	forwarded := metadata.ValueFromIncomingContext(ctx, MetadataPrincipal)
	switch len(forwarded) {
	case 0:
		return service(), nil
	case 1:
		return decodePrincipal(forwarded[0])
	}
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "more than one caller was forwarded")
}

// service is a Tollgate service that acts for itself.
func service() *Principal { return &Principal{Roles: []string{RoleService}, Internal: true} }

func encodePrincipal(p *Principal) (string, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encode principal: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(data), nil
}

func decodePrincipal(text string) (*Principal, error) {
	p := &Principal{}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(data, p)
	}
	if err != nil {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
			"the forwarded caller cannot be read").WithCause(err)
	}
	p.Internal = true
	return p, nil
}

// Outgoing adds the internal token, and the caller of the call under way if
// there is one, to calls to other Tollgate services. Make one with
// OutgoingPrincipal.
type Outgoing struct {
	token secret.String
}

// OutgoingPrincipal makes the client side of internal authentication.
func OutgoingPrincipal(token secret.String) *Outgoing { return &Outgoing{token: token} }

// Unary is a grpc.UnaryClientInterceptor.
func (o *Outgoing) Unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	ctx, err := o.Context(ctx)
	if err != nil {
		return err
	}
	return invoker(ctx, method, req, reply, cc, opts...)
}

// Stream is a grpc.StreamClientInterceptor.
func (o *Outgoing) Stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	ctx, err := o.Context(ctx)
	if err != nil {
		return nil, err
	}
	return streamer(ctx, desc, cc, method, opts...)
}

// Context returns ctx with the outgoing metadata set. Whatever the outgoing
// metadata held under these names before is replaced.
func (o *Outgoing) Context(ctx context.Context) (context.Context, error) {
	md, _ := metadata.FromOutgoingContext(ctx)
	if md == nil {
		md = metadata.MD{}
	}
	md.Set(MetadataInternal, o.token.Reveal())
	md.Delete(MetadataPrincipal)
	if p, ok := FromContext(ctx); ok && !p.serviceItself() {
		text, err := encodePrincipal(p)
		if err != nil {
			return nil, errs.Internal(err)
		}
		md.Set(MetadataPrincipal, text)
	}
	return metadata.NewOutgoingContext(ctx, md), nil
}

// Handover is Outgoing for connections within the process: the caller of the
// call under way crosses as it is, unencoded. What stands for the token is that
// nothing outside this package has its key, and nothing outside the process
// can hand anything over. Give it only to connections that our own
// services call through, never to one that carries what a client sent.
type Handover struct{}

// handover is the key under which a Handover hands the caller over.
type handover struct{}

// Unary is a grpc.UnaryClientInterceptor.
func (h Handover) Unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoker(h.context(ctx), method, req, reply, cc, opts...)
}

// Stream is a grpc.StreamClientInterceptor.
func (h Handover) Stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return streamer(h.context(ctx), desc, cc, method, opts...)
}

func (Handover) context(ctx context.Context) context.Context {
	p, ok := FromContext(ctx)
	if !ok || p.serviceItself() {
		return inproc.Hand(ctx, handover{}, service())
	}
	internal := *p
	internal.Internal = true
	return inproc.Hand(ctx, handover{}, &internal)
}

// serviceItself says that the caller is a service that acts for nobody else.
func (p *Principal) serviceItself() bool {
	return p.Internal && p.Organization == "" && p.HasRole(RoleService)
}

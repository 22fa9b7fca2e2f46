package store

import (
	"crypto/tls"
	"fmt"
	"net"
	"strconv"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"

	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/rag/internal/qdrantlocal"
)

// Remote says where a Qdrant server is.
type Remote struct {
	// Addr is host:port of the gRPC endpoint; the port is 6334 when missing.
	Addr string
	// APIKey is sent with each request; may be empty.
	APIKey secret.String
	// TLS encrypts the connection.
	TLS *tls.Config
}

// maxMessage bounds an answer; gRPC's own limit of 4 MiB is below a page of
// large chunks.
const maxMessage = 64 << 20

// Dial makes a client of a Qdrant server. It does not wait for the server.
func Dial(r Remote, opts ...grpc.DialOption) (*qdrant.Client, error) {
	host, portText, err := net.SplitHostPort(r.Addr)
	port := 6334
	if err != nil {
		host = r.Addr
	} else if port, err = strconv.Atoi(portText); err != nil {
		return nil, fmt.Errorf("dial qdrant: port %q is not a number", portText)
	}
	options := append([]grpc.DialOption{grpc.WithDefaultCallOptions(
		grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage))}, opts...)
	client, err := qdrant.NewClient(&qdrant.Config{
		Host: host, Port: port, APIKey: r.APIKey.Reveal(), UseTLS: r.TLS != nil, TLSConfig: r.TLS,
		// One connection: the client's pool chains its interceptors twice and
		// more from the second connection on.
		PoolSize: 1, SkipCompatibilityCheck: true, GrpcOptions: options,
	})
	if err != nil {
		return nil, fmt.Errorf("dial qdrant: %w", err)
	}
	return client, nil
}

// DialEmbedded makes a client of the embedded server.
func DialEmbedded(s *qdrantlocal.Server, opts ...grpc.DialOption) (*qdrant.Client, error) {
	client, err := qdrant.NewClient(&qdrant.Config{
		Host: qdrantlocal.Target, PoolSize: 1, SkipCompatibilityCheck: true,
		KeepAliveTime: -1, GrpcOptions: append(s.DialOptions(), opts...),
	})
	if err != nil {
		return nil, fmt.Errorf("dial embedded store: %w", err)
	}
	return client, nil
}

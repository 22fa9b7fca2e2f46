package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/billing"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/grpcserver"
	"github.com/tollgate/tollgate/services/internal/platform/inproc"
	"github.com/tollgate/tollgate/services/internal/platform/secret"
	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
)

// peer is how other services, and the REST edge, reach a service.
type peer struct {
	// internal carries the caller of the call under way, vouched for by the
	// internal token or by being of this process.
	internal grpc.ClientConnInterface
	// edge carries what the client sent, and nothing of ours.
	edge grpc.ClientConnInterface
}

// localPeer is a peer in this process, with what its services register on.
type localPeer struct {
	peer
	registrars grpc.ServiceRegistrar
}

func (a *App) localPeer(server *grpcserver.Server, t *telemetry.Telemetry) localPeer {
	var handover auth.Handover
	internal := server.Inproc(inproc.WithClientStats(t.LocalClientHandler()),
		inproc.WithUnaryClientInterceptors(handover.Unary), inproc.WithStreamClientInterceptors(handover.Stream))
	edge := server.Inproc(inproc.WithClientStats(t.LocalClientHandler()))
	return localPeer{peer{internal, edge}, grpcserver.Both(internal, edge)}
}

const maxPeerMessage = 64 << 20

// reconnect finds a restarted peer within a second.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
	MinConnectTimeout: 2 * time.Second,
}

// peer returns a service of this process, or a connection to another's.
func (a *App) peer(_ context.Context, name string, cfg Peer, t *telemetry.Telemetry) (peer, error) {
	if p, ok := a.peers[name]; ok {
		return p, nil
	}
	transport, err := cfg.credentials()
	if err != nil {
		return peer{}, fmt.Errorf("read credentials for %s: %w", name, err)
	}
	outgoing := auth.OutgoingPrincipal(a.token)
	dial := func(options ...grpc.DialOption) (grpc.ClientConnInterface, error) {
		options = append(options, grpc.WithTransportCredentials(transport), grpc.WithStatsHandler(t.ClientHandler()),
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxPeerMessage)), grpc.WithConnectParams(reconnect))
		conn, err := grpc.NewClient(cfg.Addr, options...)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", name, err)
		}
		a.closers.add("connection to "+name, func(context.Context) error { return conn.Close() })
		return conn, nil
	}
	// Our own calls have deadlines, so they can wait while a peer restarts.
	internal, err := dial(grpc.WithUnaryInterceptor(outgoing.Unary), grpc.WithStreamInterceptor(outgoing.Stream),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	if err != nil {
		return peer{}, err
	}
	edge, err := dial()
	if err != nil {
		return peer{}, err
	}
	a.peers[name] = peer{internal, edge}
	return a.peers[name], nil
}

func (p Peer) credentials() (credentials.TransportCredentials, error) {
	if p.CAFile == "" {
		return insecure.NewCredentials(), nil
	}
	pem, err := os.ReadFile(p.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read ca_file: it holds no certificate")
	}
	c := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if p.CertFile != "" {
		own, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("read cert_file: %w", err)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return credentials.NewTLS(c), nil
}

// remoteKeys asks billing in another process whose a key is.
func (a *App) remoteKeys(ctx context.Context, t *telemetry.Telemetry) (auth.KeyResolver, error) {
	p, err := a.peer(ctx, Billing, a.options.Config.Peers.Billing, t)
	if err != nil {
		return nil, err
	}
	return remoteKeys{accountv1.NewAccountServiceClient(p.internal)}, nil
}

type remoteKeys struct {
	accounts accountv1.AccountServiceClient
}

var _ auth.SigningKeyResolver = remoteKeys{}

// ResolveKey implements auth.KeyResolver.
func (r remoteKeys) ResolveKey(ctx context.Context, key secret.String) (*auth.Principal, error) {
	owner, err := r.accounts.ResolveKey(ctx, &accountv1.ResolveKeyRequest{Secret: key.Reveal()})
	if err != nil {
		return nil, err
	}
	return billing.Principal(owner), nil
}

// ResolveSigningKey implements auth.SigningKeyResolver.
func (r remoteKeys) ResolveSigningKey(ctx context.Context, scope auth.SigningScope) (*auth.Principal, secret.String, error) {
	return billing.Signer(r.accounts.ResolveSigningKey(ctx, billing.SigningRequest(scope)))
}

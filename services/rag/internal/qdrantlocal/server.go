package qdrantlocal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tollgate/tollgate/services/internal/platform/filelock"
)

// Version is the Qdrant API version that the server follows.
const Version = "1.17.1"

const (
	creatingSuffix = ".creating"
	deletedSuffix  = ".deleted"
	lockName       = "lock"
	pipeBytes      = 1 << 20
)

// Server serves the collections under one directory over an in-memory pipe.
type Server struct {
	qdrant.UnimplementedQdrantServer

	dir  string
	opts Options
	lock *os.File
	grpc *grpc.Server
	pipe *bufconn.Listener

	mu          sync.RWMutex
	collections map[string]*collection

	compacting sync.Map // *collection → struct{}
	stop       chan struct{}
	background sync.WaitGroup
	closeOnce  sync.Once
	closeErr   error
}

// collectionsServer and pointsServer split the RPC groups: the generated
// interfaces have methods of the same name.
type collectionsServer struct {
	qdrant.UnimplementedCollectionsServer
	*Server
}

type pointsServer struct {
	qdrant.UnimplementedPointsServer
	*Server
}

// Open opens the directory, recovers every collection in it and starts to
// serve. Only one process may hold a directory.
func Open(dir string, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	lock, err := filelock.Take(filepath.Join(dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Server{
		dir: dir, opts: opts, lock: lock,
		pipe:        bufconn.Listen(pipeBytes),
		collections: map[string]*collection{},
		stop:        make(chan struct{}),
	}
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.closeCollections(), lock.Close())
	}
	s.grpc = grpc.NewServer(
		grpc.MaxRecvMsgSize(opts.Limits.MessageBytes),
		grpc.MaxSendMsgSize(opts.Limits.MessageBytes),
		// The Qdrant client pings every ten seconds, with or without calls.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)
	qdrant.RegisterQdrantServer(s.grpc, s)
	qdrant.RegisterCollectionsServer(s.grpc, collectionsServer{Server: s})
	qdrant.RegisterPointsServer(s.grpc, pointsServer{Server: s})
	s.background.Go(func() { _ = s.grpc.Serve(s.pipe) })
	if opts.Sync == SyncInterval {
		s.background.Go(s.syncLoop)
	}
	return s, nil
}

// recover opens what is there and removes what was half made or half deleted.
func (s *Server) recover() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, e.Name())
		switch {
		case !e.IsDir():
		case strings.HasSuffix(e.Name(), creatingSuffix), strings.HasSuffix(e.Name(), deletedSuffix):
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("open store: %w", err)
			}
		case validName.MatchString(e.Name()):
			c, err := openCollection(path, s.opts)
			if err != nil {
				return err
			}
			s.collections[e.Name()] = c
		}
	}
	return nil
}

// DialOptions make a client reach this server; the address is ignored. Use
// Target as the host.
func (s *Server) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return s.pipe.DialContext(ctx) }),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(s.opts.Limits.MessageBytes),
			grpc.MaxCallSendMsgSize(s.opts.Limits.MessageBytes)),
	}
}

// Target is the host to give to the Qdrant client.
const Target = "passthrough:///embedded"

// Close lets running calls end, stops the background work and closes the logs.
func (s *Server) Close() error {
	s.closeOnce.Do(func() {
		s.grpc.GracefulStop()
		close(s.stop)
		s.background.Wait()
		s.closeErr = errors.Join(s.closeCollections(), s.lock.Close())
	})
	return s.closeErr
}

func (s *Server) closeCollections() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, c := range s.collections {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

func (s *Server) syncLoop() {
	tick := time.NewTicker(s.opts.SyncEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-tick.C:
			for _, c := range s.all() {
				if err := c.force(); err != nil {
					s.opts.Log.Error("force log", "error", err)
				}
			}
		}
	}
}

func (s *Server) all() []*collection {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*collection, 0, len(s.collections))
	for _, c := range s.collections {
		out = append(out, c)
	}
	return out
}

// compactIfNeeded starts a compaction unless one runs.
func (s *Server) compactIfNeeded(c *collection) {
	if !c.wantsCompaction() {
		return
	}
	if _, running := s.compacting.LoadOrStore(c, struct{}{}); running {
		return
	}
	s.background.Go(func() {
		defer s.compacting.Delete(c)
		if err := c.compact(); err != nil {
			c.log.Error("compact", "error", err)
		}
	})
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

func (s *Server) find(name string) (*collection, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c, ok := s.collections[name]
	if !ok {
		return nil, noCollection(name)
	}
	return c, nil
}

// HealthCheck tells the version of the API.
func (s *Server) HealthCheck(context.Context, *qdrant.HealthCheckRequest) (*qdrant.HealthCheckReply, error) {
	return &qdrant.HealthCheckReply{Title: "tollgate embedded store", Version: Version}, nil
}

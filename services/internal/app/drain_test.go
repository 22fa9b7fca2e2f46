package app

import (
	"context"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/internal/platform/drain"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// door is one way in: what it says of its readiness, and whether it serves.
type door struct{ ready, serves func() bool }

// A shutdown says at both doors that the process is not ready, and serves new
// requests for a while all the same, so that load balancers notice in time.
func TestBothDoorsDelayTheDrain(t *testing.T) {
	leaks := goleak.IgnoreCurrent()
	const delay = time.Second
	up := providertest.New(t)
	text := settings(t.TempDir(), up.BaseURL(), "m")
	for _, edge := range []string{"http: {", "router: {"} {
		text = strings.Replace(text, edge, edge+"drain_delay: 1s, ", 1)
	}
	cfg := DefaultConfig()
	if err := config.Parse([]byte(text), os.LookupEnv, &cfg); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a, err := New(ctx, Options{Config: cfg, LogWriter: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{}}
	conn, err := grpc.NewClient(a.GRPCAddr(Router), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	doors := map[string]door{"HTTP": httpDoor(t, a, client), "gRPC": grpcDoor(t, a, conn)}
	for name, d := range doors {
		if !d.ready() || !d.serves() {
			t.Fatalf("%s does not work", name)
		}
	}
	stop()
	began := time.Now()
	for name, d := range doors {
		for d.ready() && time.Since(began) < delay {
			time.Sleep(time.Millisecond)
		}
		if served := d.serves(); d.ready() || !served {
			t.Errorf("%s, %s after the signal: ready %v, serves %v", name, time.Since(began), d.ready(), served)
		}
	}
	if err := <-ended; err != nil || time.Since(began) < delay {
		t.Errorf("ended after %s: %v", time.Since(began), err)
	}
	conn.Close()
	client.CloseIdleConnections()
	up.Close()
	goleak.VerifyNone(t, leaks)
}

// Whoever asks over REST and is cut off before an answer has begun hears that it
// is the gateway that ends, and when to come again.
func TestRESTSaysThatAShutdownCutsOff(t *testing.T) {
	up := providertest.New(t)
	text := strings.Replace(settings(t.TempDir(), up.BaseURL(), `"*"`), "http: {", "http: {drain_timeout: 200ms, ", 1)
	a, stop := start(t, text, "")
	paths := []string{"/api/v1/generate", "/api/v1/generate:stream"}
	answers := make([]refused, len(paths))
	var asking sync.WaitGroup
	for i, path := range paths {
		asking.Go(func() { answers[i] = rest(t, a, path, restRequest(providertest.Silent)) })
	}
	for deadline := time.Now().Add(10 * time.Second); len(up.Requests()) < len(paths) && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	stop()
	asking.Wait()
	for i, got := range answers {
		if got.status != http.StatusServiceUnavailable || !got.later || !strings.Contains(got.body, drain.Err.Message) {
			t.Errorf("%s: %+v", paths[i], got)
		}
	}
}

func httpDoor(t *testing.T, a *App, client *http.Client) door {
	ok := func(path string) bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.HTTPAddr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+a.AdminKey().Reveal())
		resp, err := client.Do(req)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	return door{func() bool { return ok("/readyz") }, func() bool { return ok("/v1/models") }}
}

func grpcDoor(t *testing.T, a *App, conn *grpc.ClientConn) door {
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+a.AdminKey().Reveal())
	return door{func() bool {
		got, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		return err == nil && got.GetStatus() == grpc_health_v1.HealthCheckResponse_SERVING
	}, func() bool {
		_, err := routerv1.NewRouterServiceClient(conn).ListModels(ctx, &routerv1.ListModelsRequest{})
		return err == nil
	}}
}

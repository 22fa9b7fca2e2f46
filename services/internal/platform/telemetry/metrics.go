package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/tollgate/tollgate/services/internal/platform/listen"
)

// metricsServer serves /metrics.
type metricsServer struct {
	http *http.Server
	addr string
	done chan struct{}
}

func serveMetrics(ctx context.Context, cfg Config, registry *prometheus.Registry, log *slog.Logger) (*metricsServer, error) {
	lis, err := listen.On(ctx, cfg.MetricsAddr, false, cfg.InsecureListen)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		// One broken collector must not hide all the others.
		ErrorHandling: promhttp.ContinueOnError,
		Timeout:       10 * time.Second,
	}))
	s := &metricsServer{
		addr: lis.Addr().String(),
		done: make(chan struct{}),
		http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10},
	}
	go func() {
		defer close(s.done)
		if err := s.http.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
			log.Error("metrics are no longer served", "err", err)
		}
	}()
	return s, nil
}

func (s *metricsServer) shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = s.http.Close()
	}
	<-s.done
	return err
}

package telemetry

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

func newLogger(cfg Config, w io.Writer, service string) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.LogLevel}
	var inner slog.Handler = slog.NewJSONHandler(w, options)
	if cfg.LogFormat == "text" {
		inner = slog.NewTextHandler(w, options)
	}
	return slog.New(NewLogHandler(inner)).With("service", service)
}

// NewLogHandler wraps a handler so that records carry the trace_id and
// span_id of their context.
func NewLogHandler(inner slog.Handler) slog.Handler { return logHandler{inner} }

type logHandler struct {
	slog.Handler
}

// Handle implements slog.Handler.
func (h logHandler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(name string) slog.Handler { return logHandler{h.Handler.WithGroup(name)} }

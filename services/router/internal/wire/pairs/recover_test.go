package pairs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"go.opentelemetry.io/otel/metric/noop"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	running "github.com/tollgate/tollgate/services/router/internal/target"
)

// replaying is a provider that sends a recorded stream, or the beginning of one.
type replaying struct {
	provider.Adapter
	from target
	raw  []byte
}

func (r *replaying) Stream(context.Context, *provider.Request) (stream.Reader, error) {
	return &reading{in: r.from.frames(bytes.NewReader(r.raw)), decoder: r.from.decoder()}, nil
}

type reading struct {
	in      frames
	decoder decoder
	chunk   stream.Chunk
}

func (r *reading) Next() (*stream.Chunk, error) {
	frame, err := r.in.Next()
	if err == nil {
		err = r.decoder.Decode(frame, &r.chunk)
		switch {
		case err == nil:
			return &r.chunk, nil
		case errors.Is(err, io.EOF) && r.decoder.Started():
			return nil, io.EOF
		}
	} else if r.decoder.Finished(1) {
		return nil, io.EOF
	}
	return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "").WithCause(err)
}

func (*reading) Close() error { return nil }

func (*replaying) RequestFor(*route.Candidate) *provider.Request { return &provider.Request{} }

func (*replaying) ContinuationFor(*route.Candidate, string) *provider.Request {
	return &provider.Request{}
}

// unwritten is a ledger that nobody reads.
type unwritten struct{}

func (unwritten) Begin(context.Context, *attempt.Attempt) error      { return nil }
func (unwritten) End(context.Context, *attempt.Attempt, attempt.End) {}

func runner(t testing.TB) *attempt.Runner {
	metrics, err := observe.NewMetrics(noop.NewMeterProvider().Meter(""))
	if err != nil {
		t.Fatal(err)
	}
	return attempt.NewRunner(attempt.Policy{MaxAttempts: 9}, slog.New(slog.DiscardHandler), metrics)
}

// A stream that is cut anywhere, and whose answer another provider gives again
// in a format of its own, is one whole stream to a client of any format: also
// if it has got the first provider's own bytes.
func TestRecoveredStreams(t *testing.T) {
	r := runner(t)
	for _, first := range targets {
		for _, second := range targets {
			for name, raw := range streams(t, first) {
				whole := streams(t, second)[name]
				for _, to := range clients {
					t.Run(fmt.Sprint(first.name, "+", second.name, "→", to.name, "/", name), func(t *testing.T) {
						recoverAnywhere(t, r, [2]target{first, second}, [2][]byte{raw, whole}, to)
					})
				}
			}
		}
	}
}

func recoverAnywhere(t *testing.T, r *attempt.Runner, from [2]target, raw [2][]byte, to client) {
	want := hear(from[1], raw[1])
	if before := hear(from[0], raw[0]); before.text != want.text || fmt.Sprint(before.called()) != fmt.Sprint(want.called()) {
		t.Fatal("they tell different stories")
	}
	recovered := 0
	for at := 0; at < len(raw[0]); at += 1 + len(raw[0])/13 {
		out, n := recovering(t, r, from, [2][]byte{raw[0][:at], raw[1]}, to)
		recovered += n
		sameAnswer(t, fmt.Sprint("cut at ", at), hear(to.ear(), out), want, out)
	}
	if recovered == 0 {
		t.Error("nothing was recovered")
	}
}

// recovering is what a client gets of a stream that breaks off, and of another
// behind it, and how often that went on with the answer.
func recovering(t *testing.T, r *attempt.Runner, from [2]target, raw [2][]byte, to client) (out []byte, recoveries int) {
	t.Helper()
	j := &attempt.Job{Ledger: unwritten{}}
	for i := range raw {
		zero := 0
		adapter := &replaying{from: from[i], raw: raw[i]}
		j.Source = adapter
		j.Order = append(j.Order, &route.Candidate{Deployment: &route.Deployment{Model: model, Target: &running.Target{
			Target:  provider.Target{Name: from[i].name, Timeouts: provider.DefaultTimeouts, Retries: &zero},
			Adapter: adapter, Monitors: health.NewGroup(),
		}}})
	}
	s, err := r.Open(context.Background(), j)
	if err != nil {
		t.Fatal(err)
	}
	e := to.encoder()
	for {
		c, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("cut at %d: %v\n%s", len(raw[0]), err, out)
		}
		out = e.Append(out, c)
	}
	s.End(attempt.End{Outcome: billingv1.Outcome_OUTCOME_SUCCEEDED, Last: true})
	return e.End(out), s.Recoveries()
}

// sameAnswer is sameStory but for the thinking, of which a client may have got
// the beginning, and for tokens that two providers count each in their own way.
func sameAnswer(t *testing.T, where string, got, want told, out []byte) {
	t.Helper()
	got.thinking, got.tokens = want.thinking, want.tokens
	sameStory(t, where, got, want, out)
}

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/drain"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// Models of this suite: the deployment's drain takes three seconds at most.
const (
	modelBrief = "brief" // the answer takes a second and a half
	modelLong  = "long"  // half a minute
)

// TestDrain ends a process by SIGTERM while streams are under way.
func TestDrain(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			up := func(pace time.Duration) *providertest.Server {
				server := providertest.New(t)
				server.Answer = func(*providertest.Recorded) string { return strings.Repeat("one more word ", 50) }
				server.Pace = pace
				return server
			}
			d := deploy(t, s.split, fmt.Sprintf(`
targets:
  - {name: brief, provider: openai-compatible, base_url: %q, models: "*"}
  - {name: long, provider: openai-compatible, base_url: %q, models: "*"}
routes:
  - {model: %s, targets: [brief]}
  - {model: %s, targets: [long]}
`, up(10*time.Millisecond).BaseURL(), up(200*time.Millisecond).BaseURL(), modelBrief, modelLong))
			drainOne(t, d)
		})
	}
}

func drainOne(t *testing.T, d *deployment) {
	name := "all"
	if d.split {
		name = "router"
	}
	brief, long := openStream(t, d, modelBrief), openStream(t, d, modelLong)
	briefCall, longCall := openCall(t, d, modelBrief), openCall(t, d, modelLong)
	briefRest, longRest := openRest(t, d, modelBrief), openRest(t, d, modelLong)
	if err := d.processes[name].cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitRefusals(t, d)
	began := time.Now()
	if text := brief.rest(t); !isComplete(text) {
		t.Errorf("a stream that had the time was cut: %s", tail(text))
	}
	if failure := briefCall.rest(t); failure != nil {
		t.Errorf("a call that had the time was cut: %v", failure)
	}
	if events, failure := restEvents(t, briefRest.rest(t)); !finished(events) || failure != nil {
		t.Errorf("a stream over REST that had the time was cut: %v, %v", events, failure)
	}
	if text := long.rest(t); isComplete(text) || !strings.Contains(text, drain.Err.Message) {
		t.Errorf("a stream that was cut does not say why: %s", tail(text))
	}
	if failure := longCall.rest(t); failure.GetReason() != llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE {
		t.Errorf("a call that was cut does not say why: %v", failure)
	}
	events, failure := restEvents(t, longRest.rest(t))
	if cut := errs.From(status.ErrorProto(failure)); cut == nil || len(events) == 0 || finished(events) ||
		cut.Reason != drain.Err.Reason || cut.Message != drain.Err.Message {
		t.Errorf("a stream over REST that was cut does not say why: %v, %v", events, failure)
	}
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("the drain took %s", took)
	}
	p := d.processes[name]
	<-p.exited
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if d.split { // billing still runs: what it has came before the router ended
		flushed(t, d, brief.id, long.id, briefRest.id, longRest.id)
	}
	d.start(name)
	d.waitReady()
	for id, want := range map[string]billingv1.Outcome{
		brief.id: billingv1.Outcome_OUTCOME_SUCCEEDED, briefRest.id: billingv1.Outcome_OUTCOME_SUCCEEDED,
		long.id: billingv1.Outcome_OUTCOME_CANCELLED, longRest.id: billingv1.Outcome_OUTCOME_CANCELLED,
	} {
		rows := d.rows(id)
		if last := rows[len(rows)-1].GetRecord(); last.GetOutcome() != want || last.GetUsage().GetOutputTokens() == 0 {
			t.Errorf("ledger: %v, want %v", last, want)
		}
	}
}

// openedStream is a stream whose first line has come.
type openedStream struct {
	id   string
	body io.ReadCloser
	read *bufio.Reader
}

func openStream(t *testing.T, d *deployment, model string) *openedStream {
	t.Helper()
	return opened(t, d.do(timeout(t), d.key, http.MethodPost, "/v1/chat/completions", chatBody(t, model, "count", true)))
}

// openRest is the same over REST, as server-sent events.
func openRest(t *testing.T, d *deployment, model string) *openedStream {
	t.Helper()
	return opened(t, d.do(timeout(t), d.key, http.MethodPost, "/api/v1/generate:stream", strings.NewReader(restBody(model)), "Accept", "text/event-stream"))
}

func opened(t *testing.T, resp *http.Response) *openedStream {
	t.Helper()
	s := &openedStream{resp.Header.Get("x-tollgate-request-id"), resp.Body, bufio.NewReader(resp.Body)}
	if _, err := s.read.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *openedStream) rest(t *testing.T) string {
	t.Helper()
	defer s.body.Close()
	text, err := io.ReadAll(s.read)
	if err != nil {
		t.Errorf("the stream broke: %v", err)
	}
	return string(text)
}

// restEvents reads what is left of a stream of REST. Its error, if it ends by
// one, stands beside the events.
func restEvents(t *testing.T, text string) (events []*llmv1.StreamEvent, failure *spb.Status) {
	t.Helper()
	for line := range strings.Lines(text) {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok {
			continue
		}
		var message struct{ Result, Error json.RawMessage }
		var m routerv1.StreamGenerateResponse
		err := json.Unmarshal([]byte(data), &message)
		switch {
		case err != nil:
		case failure != nil:
			err = errors.New("it follows the error")
		case message.Error != nil:
			failure = &spb.Status{}
			err = protojson.Unmarshal(message.Error, failure)
		default:
			err = protojson.Unmarshal(message.Result, &m)
			events = append(events, m.GetEvent())
		}
		if err != nil {
			t.Errorf("%v: %q", err, data)
		}
	}
	return events, failure
}

func finished(events []*llmv1.StreamEvent) bool {
	return slices.ContainsFunc(events, func(e *llmv1.StreamEvent) bool { return e.GetFinish() != nil })
}

// openedCall is the same over gRPC.
type openedCall struct {
	stream grpc.ServerStreamingClient[routerv1.StreamGenerateResponse]
}

func dial(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (d *deployment) outgoing(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+d.key)
}

func openCall(t *testing.T, d *deployment, model string) *openedCall {
	t.Helper()
	stream, err := routerv1.NewRouterServiceClient(dial(t, d.addr["router"])).StreamGenerate(d.outgoing(timeout(t)),
		&routerv1.StreamGenerateRequest{Conversation: conversation(model, "count")})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &openedCall{stream}
}

func (c *openedCall) rest(t *testing.T) (failure *llmv1.StreamError) {
	t.Helper()
	for {
		m, err := c.stream.Recv()
		if err == io.EOF {
			return failure
		}
		if err != nil {
			t.Errorf("the call broke: %v", err)
			return failure
		}
		if e := m.GetEvent().GetError(); e != nil {
			failure = e
		}
	}
}

// awaitRefusals waits until new work is refused, in a way that lets a client go
// elsewhere: HTTP says when to come again, gRPC is unavailable.
func awaitRefusals(t *testing.T, d *deployment) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for deadline := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		req, err := http.NewRequestWithContext(timeout(t), http.MethodGet, d.url+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+d.key)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("a request met a closed door while streams were under way: %v", err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			if resp.Header.Get("Retry-After") == "" {
				t.Error("a refusal does not say when to come again")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("new work is not refused: %s", resp.Status)
		}
	}
	_, err := routerv1.NewRouterServiceClient(dial(t, d.addr["router"])).ListModels(d.outgoing(timeout(t)), &routerv1.ListModelsRequest{})
	if status.Code(err) != codes.Unavailable {
		t.Errorf("new work over gRPC: %v", err)
	}
}

// flushed asks billing itself for the rows of requests.
func flushed(t *testing.T, d *deployment, ids ...string) {
	t.Helper()
	client := billingv1.NewBillingServiceClient(dial(t, d.addr["billing"]))
	for _, id := range ids {
		list, err := client.ListUsage(d.outgoing(timeout(t)), &billingv1.ListUsageRequest{RequestId: id})
		if err != nil || len(list.GetRows()) != 1 || !list.GetRows()[0].GetRecord().GetLast() {
			t.Errorf("the router ended before billing had its usage: %v, %v", list, err)
		}
	}
}

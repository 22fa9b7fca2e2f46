package e2e

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/telemetry/otlptest"
)

// TestOneTraceHolds asks one question with enrichment and a failover, and
// looks at what an OTLP collector gets.
func TestOneTraceHolds(t *testing.T) {
	for _, s := range shapes {
		t.Run(s.name, func(t *testing.T) {
			collector := otlptest.New(t)
			up := newUpstream(t)
			d := deploy(t, s.split, up.config(),
				fmt.Sprintf("telemetry: {metrics_addr: \"\", sample_ratio: 1, otlp_endpoint: %q}", collector.Endpoint()))
			d.ingestHandbook()
			const private = "walter.kovacs@example.com"
			traceID := "4bf92f3577b34da6a3ce929d0e0e4736"
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+"/v1/chat/completions",
				chatBody(t, modelFailover, "I am "+private+". What is the travel allowance?", true))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+d.key)
			req.Header.Set("traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !isComplete(string(body)) {
				t.Fatalf("answer: %s %v %s", resp.Status, err, body)
			}
			spans := waitForTrace(t, collector, traceID)
			checkStages(t, spans)
			checkAttributes(t, spans)
			for _, span := range spans {
				if text := span.String(); strings.Contains(text, private) || strings.Contains(text, "travel allowance") {
					t.Errorf("span %s holds content: %s", span.Name, text)
				}
			}
		})
	}
}

// waitForTrace waits until the edge, the last stage and a span of each service
// have come: every process sends its own, in its own time.
func waitForTrace(t *testing.T, collector *otlptest.Receiver, traceID string) []otlptest.Span {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	var found []otlptest.Span
	for time.Now().Before(deadline) {
		found = nil
		for _, span := range collector.Spans() {
			if hex.EncodeToString(span.TraceId) == traceID {
				found = append(found, span)
			}
		}
		if has(found, "router.settle") && slices.ContainsFunc(found, isEdge) && len(perService(found)) == len(services) {
			return found
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the trace lacks its edge, its last stage or a service: %v", names(found))
	return nil
}

func isEdge(s otlptest.Span) bool { return hex.EncodeToString(s.ParentSpanId) == "00f067aa0ba902b7" }

func has(spans []otlptest.Span, name string) bool {
	return slices.ContainsFunc(spans, func(s otlptest.Span) bool { return s.Name == name })
}

func perService(spans []otlptest.Span) map[string]int {
	count := map[string]int{}
	for _, s := range spans {
		count[s.Service]++
	}
	return count
}

func names(spans []otlptest.Span) []string {
	var all []string
	for _, s := range spans {
		all = append(all, s.Service+":"+s.Name)
	}
	return all
}

// checkStages holds the spans against the path of a request, in its order.
func checkStages(t *testing.T, spans []otlptest.Span) {
	t.Helper()
	var last uint64
	for _, stage := range []string{"router.hold", "router.guard_input", "router.enrich", "router.route", "router.attempt", "router.settle"} {
		i := slices.IndexFunc(spans, func(s otlptest.Span) bool { return s.Name == stage })
		if i < 0 {
			t.Errorf("the trace lacks %s: %v", stage, names(spans))
			continue
		}
		if spans[i].StartTimeUnixNano < last {
			t.Errorf("%s began before the stage that precedes it", stage)
		}
		last = spans[i].StartTimeUnixNano
	}
	ids := map[string]bool{"00f067aa0ba902b7": true}
	for _, s := range spans {
		ids[hex.EncodeToString(s.SpanId)] = true
	}
	for _, s := range spans {
		if !ids[hex.EncodeToString(s.ParentSpanId)] {
			t.Errorf("span %s has a parent that is not in the trace", s.Name)
		}
	}
}

// checkAttributes looks for GenAI attributes, cost and the reasons of the route.
func checkAttributes(t *testing.T, spans []otlptest.Span) {
	t.Helper()
	attempts := 0
	for _, want := range []string{
		"gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
		"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.finish_reasons",
		"tollgate.cost_nanousd", "tollgate.route.strategy", "tollgate.route.reason",
	} {
		if !slices.ContainsFunc(spans, func(s otlptest.Span) bool { return s.Attribute(want) != "" }) {
			t.Errorf("no span has the attribute %s", want)
		}
	}
	for _, s := range spans {
		if s.Name == "router.attempt" {
			attempts++
		}
	}
	if attempts < 2 {
		t.Errorf("the trace holds %d attempts, want the failed ones too", attempts)
	}
}

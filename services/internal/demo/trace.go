package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// spans keeps every finished span in memory, so that the demo can draw a trace.
type spans struct {
	mu  sync.Mutex
	all map[trace.TraceID][]sdktrace.ReadOnlySpan
}

func newSpans() *spans { return &spans{all: map[trace.TraceID][]sdktrace.ReadOnlySpan{}} }

// OnStart implements sdktrace.SpanProcessor.
func (s *spans) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor.
func (s *spans) OnEnd(span sdktrace.ReadOnlySpan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := span.SpanContext().TraceID()
	s.all[id] = append(s.all[id], span)
}

// Shutdown implements sdktrace.SpanProcessor.
func (s *spans) Shutdown(context.Context) error { return nil }

// ForceFlush implements sdktrace.SpanProcessor.
func (s *spans) ForceFlush(context.Context) error { return nil }

// of returns the spans of a trace once its root has ended, which may be a
// moment after the client has its answer.
func (s *spans) of(id trace.TraceID) []sdktrace.ReadOnlySpan {
	for range 100 {
		s.mu.Lock()
		found := slices.Clone(s.all[id])
		s.mu.Unlock()
		if slices.ContainsFunc(found, isRoot) {
			return found
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// isRoot says whether the span is the edge's: its parent is the client's.
func isRoot(s sdktrace.ReadOnlySpan) bool {
	return s.Parent().IsRemote() && s.SpanKind() == trace.SpanKindServer && httpSpan(s)
}

func httpSpan(s sdktrace.ReadOnlySpan) bool {
	return slices.ContainsFunc(s.Attributes(), func(a attribute.KeyValue) bool { return a.Key == "http.request.method" })
}

// told are the attributes that the tree shows, by the word it shows them with.
var told = []struct{ key, word string }{
	{"tollgate.target", "target"},
	{"tollgate.route.strategy", "strategy"},
	{"tollgate.guardrail.verdict", "verdict"},
	{"gen_ai.request.model", "model"},
	{"gen_ai.usage.input_tokens", "in"},
	{"gen_ai.usage.output_tokens", "out"},
	{"tollgate.cost_nanousd", "nano-USD"},
	{"error.type", "error"},
}

// printTrace draws the spans as a tree with times and bars.
func (o *screen) printTrace(all []sdktrace.ReadOnlySpan) {
	children := map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	var root sdktrace.ReadOnlySpan
	for _, s := range all {
		if isRoot(s) {
			root = s
			continue
		}
		children[s.Parent().SpanID()] = append(children[s.Parent().SpanID()], s)
	}
	if root == nil {
		return
	}
	for _, list := range children {
		slices.SortFunc(list, func(a, b sdktrace.ReadOnlySpan) int { return a.StartTime().Compare(b.StartTime()) })
	}
	var draw func(s sdktrace.ReadOnlySpan, lead, branch string)
	draw = func(s sdktrace.ReadOnlySpan, lead, branch string) {
		o.traceLine(root, s, lead+branch)
		below := lead
		switch branch {
		case "├─ ":
			below += "│  "
		case "└─ ":
			below += "   "
		}
		list := children[s.SpanContext().SpanID()]
		for i, child := range list {
			next := "├─ "
			if i == len(list)-1 {
				next = "└─ "
			}
			draw(child, below, next)
		}
	}
	draw(root, "  ", "")
}

func (o *screen) traceLine(root, s sdktrace.ReadOnlySpan, lead string) {
	const nameWidth, barWidth = 62, 20
	name := s.Name()
	if lead != "  " && s.SpanKind() == trace.SpanKindClient && strings.Contains(name, "/") {
		name = "call " + name
	}
	text := lead + name
	pad := max(1, nameWidth-len([]rune(text)))
	total := root.EndTime().Sub(root.StartTime())
	offset := s.StartTime().Sub(root.StartTime())
	took := s.EndTime().Sub(s.StartTime())
	o.printf("%s%s%s %s  %s\n", o.dim(lead)+name, strings.Repeat(" ", pad),
		o.green(bar(offset, took, total, barWidth)), fmt.Sprintf("%9s", short(took)), o.dim(details(s)))
}

// bar places a span inside its trace.
func bar(offset, took, total time.Duration, width int) string {
	if total <= 0 {
		return strings.Repeat(" ", width)
	}
	begin := min(width-1, max(0, int(int64(width)*int64(offset)/int64(total))))
	length := min(width-begin, max(1, int(int64(width)*int64(took)/int64(total))))
	return strings.Repeat("·", begin) + strings.Repeat("█", length) + strings.Repeat("·", width-begin-length)
}

func short(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

func details(s sdktrace.ReadOnlySpan) string {
	var words []string
	for _, t := range told {
		for _, a := range s.Attributes() {
			if string(a.Key) == t.key {
				words = append(words, t.word+" "+a.Value.String())
			}
		}
	}
	return strings.Join(words, ", ")
}

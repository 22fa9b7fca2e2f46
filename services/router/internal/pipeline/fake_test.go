package pipeline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	guardrailv1 "github.com/tollgate/tollgate/gen/tollgate/guardrail/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/attempt"
	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/limit"
	"github.com/tollgate/tollgate/services/router/internal/observe"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/quota"
	"github.com/tollgate/tollgate/services/router/internal/route"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/target"
	"github.com/tollgate/tollgate/services/router/internal/tokens"
)

// world is everything around a pipeline, faked.
type world struct {
	t         testing.TB
	holder    *holder
	recorder  *recorder
	checker   *checker
	scanner   *scanner
	enricher  *enricher
	pricer    *pricer
	model     *model
	second    *model
	options   Options
	principal *auth.Principal
	route     route.Route
	shape     func(*target.Target) // may be nil
	cache     Cache                // may be nil
}

func newWorld(t testing.TB) *world {
	w := &world{
		t: t, holder: &holder{held: map[string]bool{}}, recorder: &recorder{t: t}, checker: &checker{input: true, output: true},
		scanner: &scanner{}, enricher: &enricher{}, pricer: &pricer{},
		model: &model{text: "hello there"}, second: &model{text: "from the second"},
		options: Options{
			RequestTimeout: time.Minute, RagOpen: true, ContextTokens: 100,
			Bounds: tokens.Bounds{MarginPercent: 20, Output: 500},
		},
		principal: &auth.Principal{Organization: "o", Team: "t", Key: "k", AllowedModels: []string{"m*"}},
		route:     route.Route{Model: "m", Policy: "strict", Targets: []route.Ref{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}}},
	}
	return w
}

func (w *world) pipeline() *Pipeline {
	zero := 0
	var targets []*target.Target
	for name, m := range map[string]*model{"a": w.model, "b": w.second} {
		targets = append(targets, &target.Target{
			Target: provider.Target{
				Name: name, Provider: "openai", Models: provider.NewModels("*"), Retries: &zero,
				Timeouts: provider.DefaultTimeouts,
			},
			Adapter: m, Monitors: health.NewGroup(),
		})
		if w.shape != nil {
			w.shape(targets[len(targets)-1])
		}
	}
	table, err := route.NewTable([]route.Route{w.route}, route.Surroundings{Targets: targets})
	if err != nil {
		w.t.Fatal(err)
	}
	metrics, err := observe.NewMetrics(noop.NewMeterProvider().Meter(""))
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	return New(&World{Targets: targets, Routes: table}, Peers{
		Holder: w.holder, Pricer: w.pricer, Recorder: w.recorder, Checker: w.checker, Scanner: w.scanner, Enricher: w.enricher, Cache: w.cache,
	}, limit.New(quota.New(time.Now), 100), attempt.NewRunner(attempt.Policy{MaxAttempts: 10}, log, metrics), log, w.options)
}

func (w *world) call(text string) *Call {
	return &Call{
		RequestID: "req", Principal: w.principal,
		Conversation: &llmv1.Conversation{Model: "m", Messages: []*llmv1.Message{
			{Role: llmv1.Role_ROLE_SYSTEM, Parts: []*llmv1.Part{textPart("be brief")}},
			{Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{textPart(text)}},
		}},
		Options: &routerv1.RequestOptions{},
	}
}

func textPart(s string) *llmv1.Part {
	return &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: s}}}
}

// settled checks what holds after every request: each attempt has one final
// record, and no hold is left that no record releases.
func (w *world) settled() {
	w.t.Helper()
	released := map[string]bool{}
	for id, n := range w.recorder.begun {
		if n != 1 || w.recorder.ended[id] != 1 {
			w.t.Errorf("attempt %s began %d times and ended %d times", id, n, w.recorder.ended[id])
		}
	}
	for i, r := range w.recorder.final {
		if r.Last != (i == len(w.recorder.final)-1) {
			w.t.Errorf("record %d of %d has last=%v", i+1, len(w.recorder.final), r.Last)
		}
		if r.Last {
			released[r.Hold] = true
		}
	}
	for hold, open := range w.holder.held {
		if open && !released[hold] {
			w.t.Errorf("hold %s is left", hold)
		}
	}
}

type holder struct {
	err      error
	held     map[string]bool
	requests []*billingv1.CreateHoldRequest
}

func (h *holder) Hold(_ context.Context, r *billingv1.CreateHoldRequest) (*billingv1.CreateHoldResponse, error) {
	h.requests = append(h.requests, r)
	if h.err != nil {
		return nil, h.err
	}
	h.held["holds/1"] = true
	return &billingv1.CreateHoldResponse{Name: "holds/1", AmountNanousd: 10}, nil
}

func (h *holder) Release(ctx context.Context, name string) error {
	h.held[name] = false
	return ctx.Err()
}

type recorder struct {
	t            testing.TB
	mu           sync.Mutex
	full         error
	begun, ended map[string]int
	final        []*billingv1.UsageRecord
}

func (r *recorder) Begin(u *billingv1.UsageRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.full != nil {
		return r.full
	}
	if r.begun == nil {
		r.begun, r.ended = map[string]int{}, map[string]int{}
	}
	if u.GetOutcome() != billingv1.Outcome_OUTCOME_CRASHED || !u.GetLast() {
		r.t.Errorf("an intent must read as a crash: %v", u)
	}
	r.begun[fmt.Sprint(u.RequestId, u.Attempt)]++
	return nil
}

func (r *recorder) End(u *billingv1.UsageRecord) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[fmt.Sprint(u.RequestId, u.Attempt)]++
	r.final = append(r.final, proto.Clone(u).(*billingv1.UsageRecord))
	return nil
}

type pricer struct{ err error }

func (p *pricer) Price(_ context.Context, r *billingv1.PriceUsageRequest) (*billingv1.PriceUsageResponse, error) {
	return &billingv1.PriceUsageResponse{CostNanousd: 10 * tokens.Total(r.GetUsage())}, p.err
}

// checker masks "secret" and stops "attack".
type checker struct {
	input, output bool
	err           error
	seen          []*guardrailv1.CheckRequest
}

func (c *checker) HasRules(_ context.Context, _ string, d guardrailv1.Direction) (bool, error) {
	return d == guardrailv1.Direction_DIRECTION_INPUT && c.input || d == guardrailv1.Direction_DIRECTION_OUTPUT && c.output, c.err
}

func (c *checker) Check(_ context.Context, r *guardrailv1.CheckRequest) (*guardrailv1.CheckResponse, error) {
	if c.err != nil {
		return nil, c.err
	}
	c.seen = append(c.seen, r)
	out := &guardrailv1.CheckResponse{Verdict: guardrailv1.Verdict_VERDICT_ALLOWED, Policy: r.GetPolicy()}
	for i, content := range r.GetContents() {
		if strings.Contains(content.GetText(), "attack") {
			return &guardrailv1.CheckResponse{
				Verdict: guardrailv1.Verdict_VERDICT_BLOCKED, Policy: r.GetPolicy(),
				Findings: []*guardrailv1.Finding{{Check: "injection", Action: guardrailv1.Action_ACTION_BLOCK}},
			}, nil
		}
		if strings.Contains(content.GetText(), "secret") {
			out.Verdict = guardrailv1.Verdict_VERDICT_MODIFIED
			out.Findings = append(out.Findings, &guardrailv1.Finding{Check: "secrets", Action: guardrailv1.Action_ACTION_MASK})
			out.Revisions = append(out.Revisions, &guardrailv1.CheckResponse_Revision{
				ContentIndex: int32(i), Text: strings.ReplaceAll(content.GetText(), "secret", "[X]"),
			})
		}
	}
	return out, nil
}

// scanner does the same on streams, and holds back what may become a match.
type scanner struct {
	err    error
	breaks int // the scan fails at this delta, from 1
	deltas []Delta
	open   int
}

func (s *scanner) Scan(context.Context, string) (Scan, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.open++
	return &scan{s, map[[2]int32]string{}, map[[2]int32]bool{}}, nil
}

type scan struct {
	*scanner
	held  map[[2]int32]string
	ended map[[2]int32]bool
}

func (s *scan) Close() { s.open-- }

func (s *scan) Delta(d Delta) (*guardrailv1.CheckStreamResponse, error) {
	s.deltas = append(s.deltas, d)
	if len(s.deltas) == s.breaks {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "")
	}
	id := [2]int32{d.Candidate, d.Part}
	if s.ended[id] {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the part has ended already")
	}
	s.ended[id] = d.Last
	text := s.held[id] + d.Text
	out := &guardrailv1.CheckStreamResponse{Verdict: guardrailv1.Verdict_VERDICT_ALLOWED}
	if strings.Contains(text, "attack") {
		out.Verdict = guardrailv1.Verdict_VERDICT_BLOCKED
		out.Findings = []*guardrailv1.Finding{{Check: "injection", Action: guardrailv1.Action_ACTION_BLOCK}}
		return out, nil
	}
	if strings.Contains(text, "secret") {
		out.Verdict = guardrailv1.Verdict_VERDICT_MODIFIED
		out.Findings = []*guardrailv1.Finding{{Check: "secrets", Action: guardrailv1.Action_ACTION_MASK}}
		text = strings.ReplaceAll(text, "secret", "[X]")
	}
	keep := 0
	for _, word := range []string{"secret", "attack"} {
		for n := 1; n < len(word) && !d.Last; n++ {
			if strings.HasSuffix(text, word[:n]) {
				keep = max(keep, n)
			}
		}
	}
	out.Released, s.held[id] = text[:len(text)-keep], text[len(text)-keep:]
	return out, nil
}

type enricher struct {
	err  error
	text string
	seen []*ragv1.EnrichRequest
}

func (e *enricher) Enrich(_ context.Context, r *ragv1.EnrichRequest) (*ragv1.EnrichResponse, error) {
	e.seen = append(e.seen, r)
	if e.err != nil {
		return nil, e.err
	}
	return &ragv1.EnrichResponse{
		Context: e.text, Passages: []*ragv1.Passage{{Text: e.text}}, Citations: []*llmv1.Citation{{Marker: "1"}},
	}, nil
}

// model is a target that says its text, a word at a time.
type model struct {
	text    string
	chunks  []*stream.Chunk // instead of text
	err     error           // instead of an answer
	cut     error           // instead of the end of a stream
	noUsage bool
	panics  bool
	onChunk func(n int)
	onAsk   func(*model, *provider.Request) // may change what it says
	asked   []*provider.Request
	live    int
}

func (m *model) usage() *llmv1.Usage {
	if m.noUsage {
		return nil
	}
	return &llmv1.Usage{InputTokens: 11, OutputTokens: 7, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}
}

func (m *model) Generate(_ context.Context, r *provider.Request) (*provider.Answer, error) {
	m.asked = append(m.asked, r)
	if m.onAsk != nil {
		m.onAsk(m, r)
	}
	if m.panics {
		panic("a bug")
	}
	if m.err != nil {
		return nil, m.err
	}
	return &provider.Answer{Native: []byte(m.text), Dialect: "openai", Completion: &llmv1.Completion{
		Id: "id", Model: "m-1", Usage: m.usage(), Candidates: []*llmv1.Candidate{{
			Message:      &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{textPart(m.text)}},
			FinishReason: llmv1.FinishReason_FINISH_REASON_STOP,
		}},
	}}, nil
}

// goOn has the model say something else when it is given a beginning.
func (m *model) goOn(r *provider.Request, text string) {
	messages := r.Conversation.GetMessages()
	if messages[len(messages)-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
		m.text, m.chunks, m.cut = text, nil, nil
	}
}

func (m *model) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	m.asked = append(m.asked, r)
	if m.onAsk != nil {
		m.onAsk(m, r)
	}
	if m.err != nil {
		return nil, m.err
	}
	chunks := m.chunks
	if chunks == nil {
		chunks = append(chunks, events(stream.Event{Kind: stream.Start, ID: "id", Model: "m-1"}))
		for _, word := range strings.SplitAfter(m.text, " ") {
			chunks = append(chunks, say(word))
		}
		chunks = append(chunks, events(stream.Event{Kind: stream.Finish, Reason: llmv1.FinishReason_FINISH_REASON_STOP}))
		if u := m.usage(); u != nil {
			chunks = append(chunks, events(stream.Event{Kind: stream.Usage, Tokens: u}))
		}
	}
	m.live++
	return &modelReader{model: m, ctx: ctx, chunks: chunks}, nil
}

func (m *model) Embed(_ context.Context, r *provider.EmbedRequest) (*provider.Embeddings, error) {
	m.asked = append(m.asked, &provider.Request{Model: r.Model, Context: strings.Join(r.Inputs, "|")})
	return &provider.Embeddings{Vectors: make([][]float32, len(r.Inputs)), Model: "m-1", Usage: m.usage()}, m.err
}

func events(list ...stream.Event) *stream.Chunk { return &stream.Chunk{Events: list} }

func say(text string) *stream.Chunk {
	return &stream.Chunk{
		Events: []stream.Event{{Kind: stream.Text, Delta: []byte(text)}}, Native: []byte("{" + text + "}"), Dialect: "openai",
	}
}

type modelReader struct {
	model  *model
	ctx    context.Context
	chunks []*stream.Chunk
	n      int
	closed bool
}

// Next gives its chunk out and destroys it at the next call, as readers may.
func (r *modelReader) Next() (*stream.Chunk, error) {
	if r.n > 0 {
		for i := range r.chunks[r.n-1].Events {
			for j := range r.chunks[r.n-1].Events[i].Delta {
				r.chunks[r.n-1].Events[i].Delta[j] = '#'
			}
		}
	}
	if r.model.onChunk != nil {
		r.model.onChunk(r.n)
	}
	if err := r.ctx.Err(); err != nil {
		return nil, err
	}
	if r.n == len(r.chunks) {
		if r.model.cut != nil {
			return nil, r.model.cut
		}
		return nil, io.EOF
	}
	r.n++
	c := r.chunks[r.n-1].Clone()
	r.chunks[r.n-1] = c
	return c, nil
}

func (r *modelReader) Close() error {
	if !r.closed {
		r.closed = true
		r.model.live--
	}
	return nil
}

// client is a sink that writes down what it gets.
type client struct {
	t        testing.TB
	recorder *recorder
	opened   *routerv1.RequestReport
	log      []string // kinds of events, in order
	text     string
	tools    string
	revised  int
	failure  *llmv1.StreamError
	finished *routerv1.RequestReport
	goneAt   int // fails at this write, from 1
	writes   int
	onOpen   func()
}

func (c *client) Open(r *routerv1.RequestReport) {
	if c.opened != nil {
		c.t.Error("opened twice")
	}
	c.opened = r
	if c.onOpen != nil {
		c.onOpen()
	}
}

func (c *client) WriteChunk(chunk *stream.Chunk) error {
	c.writes++
	if c.opened == nil || c.finished != nil || c.failure != nil {
		c.t.Error("a chunk outside of the stream")
	}
	if c.writes == c.goneAt {
		return io.ErrClosedPipe
	}
	if chunk.Revised {
		c.revised++
	}
	for i := range chunk.Events {
		e := &chunk.Events[i]
		switch e.Kind {
		case stream.Text, stream.Thinking:
			c.text += string(e.Delta)
		case stream.ToolArguments:
			c.tools += string(e.Delta)
		case stream.Error:
			c.failure = e.Failure
		}
		c.log = append(c.log, [...]string{"", "start", "part", "text", "think", "args", "stop", "usage", "finish", "notice", "error"}[e.Kind])
	}
	return nil
}

func (c *client) Finish(r *routerv1.RequestReport) error {
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	if len(c.recorder.final) == 0 {
		c.t.Error("the stream is complete before its record is written")
	}
	c.finished = r
	return nil
}

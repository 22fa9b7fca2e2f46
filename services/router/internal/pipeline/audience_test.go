package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// teller is a target that says a chunk a second.
type teller struct {
	mu          sync.Mutex
	asked, open int
	chunks      func(n int) []*stream.Chunk // of the n-th request, from 1
	cut         func(n int) error           // instead of its end; may be nil
}

var (
	begins = events(stream.Event{Kind: stream.Start, ID: "id", Model: "m-1"})
	counts = events(stream.Event{Kind: stream.Usage, Tokens: &llmv1.Usage{InputTokens: 11, OutputTokens: 7}})
)

func finishing(reason llmv1.FinishReason) *stream.Chunk {
	return events(stream.Event{Kind: stream.Finish, Reason: reason})
}

// telling is what a teller says: words, and how it ends.
func telling(text string, reason llmv1.FinishReason) []*stream.Chunk {
	out := []*stream.Chunk{begins}
	for _, word := range strings.SplitAfter(text, " ") {
		out = append(out, say(word))
	}
	return append(out, finishing(reason), counts)
}

const fourWords = "one two three four"

func (a *teller) Stream(ctx context.Context, _ *provider.Request) (stream.Reader, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	a.open++
	t := &tale{teller: a, ctx: ctx, chunks: telling(fourWords, llmv1.FinishReason_FINISH_REASON_STOP), end: io.EOF}
	if a.chunks != nil {
		t.chunks = a.chunks(a.asked)
	}
	if a.cut != nil {
		t.end = a.cut(a.asked)
	}
	return t, nil
}

func (a *teller) Generate(context.Context, *provider.Request) (*provider.Answer, error) {
	return nil, errors.ErrUnsupported
}

func (a *teller) Embed(context.Context, *provider.EmbedRequest) (*provider.Embeddings, error) {
	return nil, errors.ErrUnsupported
}

type tale struct {
	teller *teller
	ctx    context.Context
	chunks []*stream.Chunk
	end    error
	given  *stream.Chunk
	closed bool
}

// Next destroys what it gave out before, as readers may.
func (t *tale) Next() (*stream.Chunk, error) {
	if t.given != nil {
		for i := range t.given.Events {
			copy(t.given.Events[i].Delta, "##########")
		}
	}
	if len(t.chunks) == 0 {
		return nil, t.end
	}
	if !pause(t.ctx, time.Second) {
		return nil, t.ctx.Err()
	}
	t.given = t.chunks[0].Clone()
	t.chunks = t.chunks[1:]
	return t.given, nil
}

func (t *tale) Close() error {
	t.teller.mu.Lock()
	defer t.teller.mu.Unlock()
	if !t.closed {
		t.closed = true
		t.teller.open--
	}
	return nil
}

// audience is a crowd that listens to a teller.
type audience struct {
	*crowd
	teller *teller
}

func newAudience(t *testing.T, arm ...func(*world)) *audience {
	c := newCrowd(t)
	for _, f := range arm {
		f(c.w)
	}
	c.Pipeline = c.w.pipeline()
	a := &audience{crowd: c, teller: &teller{}}
	for _, one := range c.World().Targets {
		one.Adapter = a.teller
	}
	c.peers.Checker, c.peers.Scanner, c.peers.Enricher, c.peers.Holder = nil, nil, nil, &holds{}
	return a
}

// listener is a client and when it heard what.
type listener struct {
	client
	began time.Time
	heard []string // each write: after how many seconds, and what
	took  time.Duration
	err   error
	slow  time.Duration // that each write takes
	gone  atomic.Bool   // writes fail from now on
	done  chan struct{}
}

func (l *listener) WriteChunk(c *stream.Chunk) error {
	if l.gone.Load() {
		return io.ErrClosedPipe
	}
	before := l.text + l.tools
	if err := l.client.WriteChunk(c); err != nil {
		return err
	}
	if said := l.text + l.tools; said != before {
		l.heard = append(l.heard, fmt.Sprint(int(time.Since(l.began).Seconds()), ":", strings.TrimPrefix(said, before)))
	}
	if l.slow > 0 {
		time.Sleep(l.slow)
	}
	return nil
}

// listen begins a request; arm may be nil.
func (a *audience) listen(ctx context.Context, id string, arm func(*listener)) *listener {
	l := &listener{client: client{t: a.w.t, recorder: a.w.recorder}, began: time.Now(), done: make(chan struct{})}
	if arm != nil {
		arm(l)
	}
	call := a.w.call("hello")
	call.RequestID = id
	go func() {
		defer close(l.done)
		l.err = a.Stream(ctx, call, l)
		l.took = time.Since(l.began)
	}()
	synctest.Wait()
	return l
}

func (a *audience) records(id string) (out []*billingv1.UsageRecord) {
	a.w.recorder.mu.Lock()
	defer a.w.recorder.mu.Unlock()
	for _, r := range a.w.recorder.final {
		if r.GetRequestId() == id {
			out = append(out, r)
		}
	}
	return out
}

// shared checks that a listener heard all of an answer that another caused, and
// has one record that says so.
func (a *audience) shared(id string, l *listener, text string) {
	a.w.t.Helper()
	<-l.done
	if l.err != nil || l.text != text || l.finished == nil || l.opened.GetCache() != "shared" || l.finished.GetCache() != "shared" || l.finished.GetTarget() != "" {
		a.w.t.Errorf("%s heard %q as %v, %v, in band %v", id, l.text, l.opened, l.err, l.failure)
	}
	r := a.records(id)
	if len(r) != 1 || r[0].GetOutcome() != billingv1.Outcome_OUTCOME_CACHED || r[0].GetMetadata()["tollgate.cached_output_tokens"] != "7" ||
		r[0].GetHold() != "holds/"+id || !r[0].GetLast() || !r[0].GetStreamed() || r[0].GetPricedModel().GetModel() != "m" {
		a.w.t.Errorf("%s: records %v", id, r)
	}
}

// left checks that nothing is open after all have gone.
func (a *audience) left() {
	a.w.t.Helper()
	synctest.Wait()
	if a.teller.open != 0 {
		a.w.t.Errorf("%d streams are open", a.teller.open)
	}
	a.closed(len(a.w.recorder.final))
}

package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"pgregory.net/rapid"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// intentOf and finalOf are the two records of an attempt.
func intentOf(request string, attempt int32) *billingv1.UsageRecord {
	return &billingv1.UsageRecord{
		RequestId: request, Attempt: attempt, Target: "t",
		Scopes:  &billingv1.Scopes{Organization: "organizations/o"},
		Usage:   &llmv1.Usage{InputTokens: 7, Source: llmv1.UsageSource_USAGE_SOURCE_ESTIMATED},
		Outcome: billingv1.Outcome_OUTCOME_CRASHED, Last: true,
	}
}

func finalOf(request string, attempt int32) *billingv1.UsageRecord {
	r := intentOf(request, attempt)
	r.Usage = &llmv1.Usage{InputTokens: 5, OutputTokens: 3, Source: llmv1.UsageSource_USAGE_SOURCE_PROVIDER}
	r.Outcome, r.Duration = billingv1.Outcome_OUTCOME_SUCCEEDED, durationpb.New(time.Second)
	return r
}

// bank is billing: it commits a record once, and refuses another of the same identity.
type bank struct {
	mu        sync.Mutex
	committed map[identity]*billingv1.UsageRecord
	received  int
	down      bool
	hold      bool // answers nothing
	cutAfter  int  // breaks each connection after so many records; 0 never
	reverse   int  // acknowledges in batches of so many, the last first; 0 at once
	refuse    map[identity]billingv1.RecordUsageResponse_Status
}

func newBank() *bank { return &bank{committed: map[identity]*billingv1.UsageRecord{}} }

func (b *bank) Open(ctx context.Context) (Conn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.down {
		return nil, errors.New("billing is down")
	}
	return &bankConn{bank: b, ctx: ctx, answers: make(chan *billingv1.RecordUsageResponse, 10_000)}, nil
}

func (b *bank) get(id identity) *billingv1.UsageRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.committed[id]
}

type bankConn struct {
	bank    *bank
	ctx     context.Context
	sent    int
	waiting []*billingv1.RecordUsageResponse
	answers chan *billingv1.RecordUsageResponse
}

func (c *bankConn) Send(r *billingv1.UsageRecord) error {
	c.bank.mu.Lock()
	defer c.bank.mu.Unlock()
	if c.bank.cutAfter > 0 && c.sent >= c.bank.cutAfter || c.bank.down {
		return io.EOF
	}
	c.sent++
	c.bank.received++
	id := identityOf(r)
	status := billingv1.RecordUsageResponse_STATUS_COMMITTED
	switch old, known := c.bank.committed[id]; {
	case c.bank.refuse[id] != 0:
		status = c.bank.refuse[id]
	case !known:
		c.bank.committed[id] = proto.Clone(r).(*billingv1.UsageRecord)
	case proto.Equal(old, r):
		status = billingv1.RecordUsageResponse_STATUS_DUPLICATE
	default:
		status = billingv1.RecordUsageResponse_STATUS_CONFLICT
	}
	if c.bank.hold {
		return nil
	}
	c.waiting = append(c.waiting, &billingv1.RecordUsageResponse{RequestId: id.request, Attempt: id.attempt, Status: status})
	if len(c.waiting) >= c.bank.reverse {
		for i := len(c.waiting) - 1; i >= 0; i-- {
			c.answers <- c.waiting[i]
		}
		c.waiting = nil
	}
	return nil
}

func (c *bankConn) Recv() (*billingv1.RecordUsageResponse, error) {
	select {
	case r := <-c.answers:
		return r, nil
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
}

var fast = Options{SyncInterval: time.Hour, Backoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond}

func mustOpen(t testing.TB, dir string, b *bank, o Options) *Spool {
	t.Helper()
	s, err := Open(dir, b, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t testing.TB, s *Spool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// kill stops a spool as kill -9 does: nothing is drained, synced or deleted.
func kill(s *Spool) {
	s.stop()
	s.done.Wait()
	for _, g := range s.segments {
		if g.file != nil {
			_ = g.file.Close()
		}
	}
	_ = s.lock.Close()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryFinalRecordArrives(t *testing.T) {
	for name, b := range map[string]*bank{
		"plainly":         newBank(),
		"out of order":    {committed: newBank().committed, reverse: 7},
		"over bad lines":  {committed: map[identity]*billingv1.UsageRecord{}, cutAfter: 13},
		"bad and reverse": {committed: map[identity]*billingv1.UsageRecord{}, cutAfter: 29, reverse: 3},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := fast
			o.SegmentBytes, o.Window = 2000, 20
			s := mustOpen(t, dir, b, o)
			var writers sync.WaitGroup
			for w := range 4 {
				writers.Go(func() {
					for i := range 50 {
						id := fmt.Sprintf("r%d-%d", w, i)
						if err := errors.Join(s.Begin(intentOf(id, 1)), s.End(finalOf(id, 1))); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			b.mu.Lock()
			b.reverse = 0 // the last batch would wait for more
			b.mu.Unlock()
			mustClose(t, s)
			for w := range 4 {
				for i := range 50 {
					id := identity{fmt.Sprintf("r%d-%d", w, i), 1}
					if got := b.get(id); !proto.Equal(got, finalOf(id.request, 1)) {
						t.Fatalf("%v: %v", id, got)
					}
				}
			}
			left, _ := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
			if len(left) != 0 {
				t.Errorf("files are left: %v", left)
			}
		})
	}
}

func TestCrashedAttemptsBecomeRecords(t *testing.T) {
	dir, b := t.TempDir(), newBank()
	b.down = true
	s := mustOpen(t, dir, b, fast)
	must(t, s.Begin(intentOf("ended", 1)))
	must(t, s.End(finalOf("ended", 1)))
	must(t, s.Begin(intentOf("lost", 1)))
	kill(s)
	b.down = false
	mustClose(t, mustOpen(t, dir, b, fast))
	if got := b.get(identity{"ended", 1}); !proto.Equal(got, finalOf("ended", 1)) {
		t.Errorf("the record that ended: %v", got)
	}
	if got := b.get(identity{"lost", 1}); !proto.Equal(got, intentOf("lost", 1)) {
		t.Errorf("the record that was lost: %v", got)
	}
	received := b.received
	mustClose(t, mustOpen(t, dir, b, fast))
	if b.received != received {
		t.Error("records were sent again after a clean end")
	}
}

// Whatever a crash leaves of the last writes, what was whole before is kept,
// and an attempt whose end is torn counts as crashed.
func TestTornTail(t *testing.T) {
	dir, b := t.TempDir(), newBank()
	b.down = true
	s := mustOpen(t, dir, b, fast)
	must(t, s.Begin(intentOf("a", 1)))
	must(t, s.End(finalOf("a", 1)))
	must(t, s.Begin(intentOf("b", 1)))
	whole := s.segments[0].size
	must(t, s.End(finalOf("b", 1)))
	path := s.segments[0].path
	kill(s)
	data, err := os.ReadFile(path)
	must(t, err)
	for cut := whole; cut <= int64(len(data)); cut++ {
		for _, tail := range [][]byte{nil, make([]byte, 64), bytes.Repeat([]byte{0xff}, 64)} {
			dir, b := t.TempDir(), newBank()
			must(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), append(bytes.Clone(data[:cut]), tail...), 0o600))
			mustClose(t, mustOpen(t, dir, b, fast))
			want := intentOf("b", 1)
			if cut == int64(len(data)) {
				want = finalOf("b", 1)
			}
			if got := b.get(identity{"b", 1}); !proto.Equal(got, want) || len(b.committed) != 2 {
				t.Fatalf("cut at %d of %d with %d bytes after: b is %v, %d records", cut, len(data), len(tail), got, len(b.committed))
			}
		}
	}
}

func TestFlippedBitIsFound(t *testing.T) {
	dir, b := t.TempDir(), newBank()
	b.down = true
	s := mustOpen(t, dir, b, fast)
	must(t, s.End(finalOf("a", 1)))
	first := s.segments[0].size
	must(t, s.End(finalOf("b", 1)))
	path := s.segments[0].path
	kill(s)
	data, err := os.ReadFile(path)
	must(t, err)
	for i := first; i < int64(len(data)); i++ {
		dir, b := t.TempDir(), newBank()
		damaged := bytes.Clone(data)
		damaged[i] ^= 0x10
		must(t, os.WriteFile(filepath.Join(dir, filepath.Base(path)), damaged, 0o600))
		mustClose(t, mustOpen(t, dir, b, fast))
		if len(b.committed) != 1 || b.get(identity{"a", 1}) == nil {
			t.Fatalf("bit at %d: %d records", i, len(b.committed))
		}
	}
}

func TestDamageBeforeTheLastFileIsKept(t *testing.T) {
	dir, b := t.TempDir(), newBank()
	b.down = true
	s := mustOpen(t, dir, b, fast)
	must(t, s.End(finalOf("a", 1)))
	s.mu.Lock()
	must(t, s.rotate())
	s.mu.Unlock()
	must(t, s.End(finalOf("b", 1)))
	path := s.segments[0].path
	kill(s)
	must(t, os.Truncate(path, 20))
	b.down = false
	mustClose(t, mustOpen(t, dir, b, fast))
	if b.get(identity{"b", 1}) == nil || b.get(identity{"a", 1}) != nil {
		t.Errorf("committed %v", b.committed)
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error("no copy of the damaged file is kept")
	}
}

// Any sequence of writes, acknowledgements and crashes ends with exactly one
// record for each attempt: its final one if End returned, else its intent.
func TestNothingIsLostOrChanged(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "spool")
		must(t, err)
		b := newBank()
		b.cutAfter = rapid.IntRange(0, 5).Draw(rt, "cut")
		o := fast
		o.SegmentBytes = int64(rapid.IntRange(1, 1500).Draw(rt, "segment"))
		o.Window = rapid.IntRange(1, 5).Draw(rt, "window")
		want := map[identity]*billingv1.UsageRecord{}
		open := []string{}
		s := mustOpen(t, dir, b, o)
		for i := range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0, 1:
				id := fmt.Sprint(i)
				must(t, s.Begin(intentOf(id, 1)))
				want[identity{id, 1}] = intentOf(id, 1)
				open = append(open, id)
			case 2, 3:
				if len(open) == 0 {
					continue
				}
				n := rapid.IntRange(0, len(open)-1).Draw(rt, "which")
				must(t, s.End(finalOf(open[n], 1)))
				want[identity{open[n], 1}] = finalOf(open[n], 1)
				open = append(open[:n], open[n+1:]...)
			case 4:
				kill(s)
				open = nil
				s = mustOpen(t, dir, b, o)
			case 5:
				b.mu.Lock()
				b.down = !b.down
				b.mu.Unlock()
			}
		}
		kill(s)
		b.mu.Lock()
		b.down, b.cutAfter = false, 0
		b.mu.Unlock()
		mustClose(t, mustOpen(t, dir, b, o))
		if len(b.committed) != len(want) {
			rt.Fatalf("%d records, want %d", len(b.committed), len(want))
		}
		for id, record := range want {
			if got := b.get(id); !proto.Equal(got, record) {
				rt.Fatalf("%v: got %v, want %v", id, got, record)
			}
		}
	})
}

func TestRefusedRecordsArePutAside(t *testing.T) {
	dir, b := t.TempDir(), newBank()
	b.refuse = map[identity]billingv1.RecordUsageResponse_Status{
		{"conflict", 1}: billingv1.RecordUsageResponse_STATUS_CONFLICT,
		{"invalid", 1}:  billingv1.RecordUsageResponse_STATUS_INVALID,
	}
	s := mustOpen(t, dir, b, fast)
	for _, id := range []string{"conflict", "good", "invalid"} {
		must(t, s.End(finalOf(id, 1)))
	}
	mustClose(t, s)
	aside, err := os.ReadFile(filepath.Join(dir, quarantineFile))
	must(t, err)
	if n := bytes.Count(aside, []byte("\n")); n != 2 || !bytes.Contains(aside, []byte("STATUS_INVALID")) {
		t.Errorf("put aside: %s", aside)
	}
	if len(b.committed) != 1 {
		t.Errorf("committed %v", b.committed)
	}
}

func TestFullSpoolRefusesNewAttemptsOnly(t *testing.T) {
	b := newBank()
	b.down = true
	o := fast
	o.MaxBytes, o.SegmentBytes = 4000, 1000
	s := mustOpen(t, t.TempDir(), b, o)
	begun := 0
	for ; begun < 1000; begun++ {
		if err := s.Begin(intentOf(fmt.Sprint(begun), 1)); err != nil {
			if !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE) {
				t.Fatal(err)
			}
			break
		}
	}
	if begun == 0 || begun == 1000 || s.Writable() == nil {
		t.Fatalf("%d attempts were begun", begun)
	}
	for i := range begun {
		if err := s.End(finalOf(fmt.Sprint(i), 1)); err != nil {
			t.Fatalf("end %d of %d: %v", i, begun, err)
		}
	}
	if got := s.Stats().Bytes; got > o.MaxBytes {
		t.Errorf("%d bytes are used, the limit is %d", got, o.MaxBytes)
	}
	b.mu.Lock()
	b.down = false
	b.mu.Unlock()
	mustClose(t, s)
	if len(b.committed) != begun {
		t.Errorf("%d records arrived, want %d", len(b.committed), begun)
	}
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	dir, b := t.TempDir(), newBank()
	b.hold = true
	s := mustOpen(t, dir, b, fast)
	must(t, s.End(finalOf("a", 1)))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	must(t, s.Close(ctx))
	if err := s.Begin(intentOf("b", 1)); !errs.Is(err, llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE) {
		t.Errorf("begin after close: %v", err)
	}
	b.hold = false
	mustClose(t, mustOpen(t, dir, b, fast))
	if b.get(identity{"a", 1}) == nil {
		t.Error("the record was lost")
	}
}

func TestOneRouterADirectory(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, newBank(), fast)
	if _, err := Open(dir, newBank(), fast); err == nil {
		t.Error("a second spool was opened")
	}
	mustClose(t, s)
}

func TestSyncAlways(t *testing.T) {
	b := newBank()
	o := fast
	o.SyncInterval, o.SegmentBytes = 0, 500
	s := mustOpen(t, t.TempDir(), b, o)
	var writers sync.WaitGroup
	for i := range 20 {
		writers.Go(func() { must(t, s.End(finalOf(fmt.Sprint(i), 1))) })
	}
	writers.Wait()
	s.syncMu.Lock()
	synced := s.synced
	s.syncMu.Unlock()
	if synced != 20 {
		t.Errorf("%d writes are on the disk, want 20", synced)
	}
	mustClose(t, s)
}

func FuzzCursor(f *testing.F) {
	frame, _ := appendFrame(nil, kindFinal, finalOf("a", 1))
	f.Add(frame)
	f.Add(frame[:10])
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "f")
		must(t, os.WriteFile(path, data, 0o600))
		file, err := os.Open(path)
		must(t, err)
		defer file.Close()
		c := cursor{file: file}
		for {
			_, _, err := c.next(int64(len(data)))
			if err != nil {
				break
			}
		}
		if c.offset() > int64(len(data)) {
			t.Fatalf("read %d of %d bytes", c.offset(), len(data))
		}
	})
}

func BenchmarkBeginEnd(b *testing.B) {
	s := mustOpen(b, b.TempDir(), newBank(), Options{SyncInterval: 100 * time.Millisecond})
	intent, final := intentOf("", 1), finalOf("", 1)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		id := fmt.Sprint(i)
		intent.RequestId, final.RequestId = id, id
		must(b, s.Begin(intent))
		must(b, s.End(final))
	}
	b.StopTimer()
	mustClose(b, s)
}

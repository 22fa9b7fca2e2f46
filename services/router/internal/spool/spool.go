// Package spool keeps usage records on the router's disk until the billing
// service has committed them.
//
// Before a target is called, Begin writes an intent: the record as it must read
// if nothing else is ever heard of the attempt. End writes the final record. A
// shipper sends final records to billing and drops a segment file once every
// record in it is acknowledged. Records are sent again after a crash or a lost
// connection; billing knows them by request and attempt, so that nothing counts
// twice. An intent that has no final record when the spool is opened belonged to
// an attempt that the crash cut off: the intent is then sent as its record.
//
// Each write reaches the operating system before Begin and End return, so that
// it survives the death of the process (kill -9 included) whatever the sync
// policy is. The sync policy bounds what a death of the machine can lose: the
// last interval, or nothing with an interval of 0.
package spool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/internal/platform/filelock"
)

// Options say how a spool works. Zero fields take the defaults.
type Options struct {
	// MaxBytes bounds the files; Begin refuses beyond. 1 GiB.
	MaxBytes int64
	// SegmentBytes is the size at which a new file is begun. 4 MiB.
	SegmentBytes int64
	// SyncInterval is how often writes are forced onto the disk; 0 means each.
	SyncInterval time.Duration
	// Window is how many records may await their acknowledgement. 1024.
	Window int
	// Backoff and MaxBackoff are the waits between connections. 100 ms and 5 s.
	Backoff, MaxBackoff time.Duration
	// Log gets what goes wrong.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 4 << 20
	}
	if o.Window <= 0 {
		o.Window = 1024
	}
	if o.Backoff <= 0 {
		o.Backoff = 100 * time.Millisecond
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 5 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Shipper opens connections to where records are committed.
type Shipper interface {
	Open(ctx context.Context) (Conn, error)
}

// Conn is one connection. Send and Recv may run at the same time; both end
// when the context of Open does.
type Conn interface {
	Send(*billingv1.UsageRecord) error
	Recv() (*billingv1.RecordUsageResponse, error)
}

// identity is what a record is known by, for ever.
type identity struct {
	request string
	attempt int32
}

func identityOf(r *billingv1.UsageRecord) identity {
	return identity{r.GetRequestId(), r.GetAttempt()}
}

// Spool is safe for concurrent use.
type Spool struct {
	dir     string
	options Options
	lock    *os.File

	mu       sync.Mutex
	closed   bool
	segments []*segment // the oldest first; the last one is written to
	next     uint64     // sequence number of the next segment
	open     map[identity]intent
	bytes    int64 // of all segments
	reserved int64 // for the final records of open intents
	pending  int64 // final records that are not acknowledged
	written  int64 // counts writes
	frame    []byte

	syncMu sync.Mutex
	synced int64 // the value of written that has been forced to the disk

	flights flights
	wake    chan struct{} // a final record was written
	acked   chan struct{} // a record was acknowledged
	stop    context.CancelFunc
	done    sync.WaitGroup
}

type intent struct {
	segment *segment
	size    int64
}

// Open opens the spool in a directory and ships what is in it.
func Open(dir string, shipper Shipper, options Options) (*Spool, error) {
	s, err := openFiles(dir, options)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.done.Go(func() { s.ship(ctx, shipper) })
	if s.options.SyncInterval > 0 {
		s.done.Go(func() { s.syncRegularly(ctx) })
	}
	return s, nil
}

// openFiles opens without shipping.
func openFiles(dir string, options Options) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	lock, err := filelock.Take(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{
		dir: dir, options: options.withDefaults(), lock: lock, open: make(map[identity]intent),
		wake: make(chan struct{}, 1), acked: make(chan struct{}, 1), stop: func() {},
	}
	s.flights.init()
	if err := s.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("open spool: %w", err), s.closeFiles())
	}
	return s, nil
}

// Begin writes an intent. If the spool is full or the disk fails it refuses
// with UNAVAILABLE: what cannot be accounted for must not be spent.
func (s *Spool) Begin(record *billingv1.UsageRecord) error {
	return s.write(kindIntent, record)
}

// End writes a final record. There is always room for it.
func (s *Spool) End(record *billingv1.UsageRecord) error {
	return s.write(kindFinal, record)
}

func (s *Spool) write(k kind, record *billingv1.UsageRecord) error {
	s.mu.Lock()
	version, err := s.append(k, record)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if k == kindFinal {
		signal(s.wake)
	}
	if s.options.SyncInterval == 0 {
		if err := s.sync(version); err != nil {
			return unavailable("the usage spool cannot be written").WithCause(err)
		}
	}
	return nil
}

// append writes one record and does the books. s.mu is held.
func (s *Spool) append(k kind, record *billingv1.UsageRecord) (int64, error) {
	if s.closed {
		return 0, unavailable("the router is shutting down")
	}
	frame, err := appendFrame(s.frame[:0], k, record)
	if err != nil {
		return 0, errs.Internal(fmt.Errorf("encode usage record: %w", err))
	}
	s.frame = frame
	size, id := int64(len(frame)), identityOf(record)
	if k == kindIntent {
		if err := s.admit(id, size); err != nil {
			return 0, err
		}
	}
	active := s.segments[len(s.segments)-1]
	if err := active.append(frame); err != nil {
		return 0, unavailable("the usage spool cannot be written").WithCause(err)
	}
	s.bytes += size
	s.written++
	s.book(k, id, active, size)
	if active.size >= s.options.SegmentBytes {
		if err := s.rotate(); err != nil {
			s.options.Log.Error("begin usage segment", "error", err) // the old one goes on
		}
	}
	return s.written, nil
}

// finalSlack is how much larger a final record may be than its intent.
const finalSlack = 256

func (s *Spool) admit(id identity, size int64) error {
	if s.bytes+s.reserved+2*size+finalSlack > s.options.MaxBytes {
		return unavailable("the usage spool is full")
	}
	if _, twice := s.open[id]; twice {
		return errs.Internal(fmt.Errorf("attempt %d of request %s begins twice", id.attempt, id.request))
	}
	return nil
}

func (s *Spool) book(k kind, id identity, in *segment, size int64) {
	if k == kindIntent {
		in.intents++
		s.open[id] = intent{in, size}
		s.reserved += size + finalSlack
		return
	}
	in.pending++
	s.pending++
	s.endIntent(id)
}

func (s *Spool) endIntent(id identity) {
	if i, ok := s.open[id]; ok {
		i.segment.intents--
		s.reserved -= i.size + finalSlack
		delete(s.open, id)
	}
}

// Stats say how full the spool is.
type Stats struct {
	// Bytes is the size of all files, Pending the number of final records that
	// are not acknowledged, Open the number of attempts under way.
	Bytes, Pending int64
	Open           int
}

// Stats returns how full the spool is.
func (s *Spool) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Bytes: s.bytes, Pending: s.pending, Open: len(s.open)}
}

// Close waits until everything is acknowledged or ctx ends, then stops. What is
// left is shipped when the spool is opened again. Nothing may be written during
// Close or after it.
func (s *Spool) Close(ctx context.Context) error {
	s.drain(ctx)
	s.stop()
	s.done.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.pending > 0 {
		s.options.Log.Warn("usage records are left for the next start", "records", s.pending)
	}
	return s.closeFiles()
}

func (s *Spool) drain(ctx context.Context) {
	for s.Stats().Pending > 0 && ctx.Err() == nil {
		select {
		case <-s.acked:
		case <-ctx.Done():
		}
	}
}

func unavailable(message string) *errs.Error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "%s", message)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func decode(payload []byte) (*billingv1.UsageRecord, error) {
	record := &billingv1.UsageRecord{}
	return record, proto.Unmarshal(payload, record)
}

// Writable says whether Begin would succeed now, as far as that can be told.
func (s *Spool) Writable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return unavailable("the router is shutting down")
	case s.bytes+s.reserved+2*finalSlack > s.options.MaxBytes:
		return unavailable("the usage spool is full")
	default:
		return nil
	}
}

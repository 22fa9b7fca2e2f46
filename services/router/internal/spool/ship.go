package spool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// flights are the records that were read from the files and await their
// acknowledgement.
type flights struct {
	mu    sync.Mutex
	byID  map[identity]*flight
	next  uint64
	place cursorPlace
	room  chan struct{} // a flight has landed
}

type flight struct {
	number  uint64
	record  *billingv1.UsageRecord
	segment *segment
}

// cursorPlace is how far the files have been read.
type cursorPlace struct {
	cursor
	segment *segment
}

func (f *flights) init() {
	f.byID = make(map[identity]*flight)
	f.room = make(chan struct{}, 1)
}

// ship keeps a connection to billing and sends what there is.
func (s *Spool) ship(ctx context.Context, shipper Shipper) {
	defer s.flights.place.close()
	wait := s.options.Backoff
	for ctx.Err() == nil {
		before := s.Stats().Pending
		err := s.session(ctx, shipper)
		if ctx.Err() != nil {
			return
		}
		if s.Stats().Pending < before {
			wait = s.options.Backoff
		}
		s.options.Log.Warn("usage records cannot be sent; trying again", slog.Any("error", err), slog.Duration("wait", wait))
		pause(ctx, time.Duration(rand.Int64N(int64(wait)+1)))
		wait = min(2*wait, s.options.MaxBackoff)
	}
}

// session sends over one connection until it fails.
func (s *Spool) session(parent context.Context, shipper Shipper) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	conn, err := shipper.Open(ctx)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() {
		defer cancel()
		received <- s.receive(conn)
	}()
	sent := s.send(ctx, conn)
	cancel()
	if err := <-received; err != nil && (sent == nil || errors.Is(sent, context.Canceled) || errors.Is(sent, io.EOF)) {
		return err
	}
	return sent
}

func (s *Spool) receive(conn Conn) error {
	for {
		response, err := conn.Recv()
		if err != nil {
			return err
		}
		if err := s.land(response); err != nil {
			return err
		}
	}
}

// send sends what was in flight when the last connection broke, then goes on.
func (s *Spool) send(ctx context.Context, conn Conn) error {
	for _, f := range s.flights.all() {
		if err := conn.Send(f.record); err != nil {
			return err
		}
	}
	for {
		if err := s.waitForRoom(ctx); err != nil {
			return err
		}
		record, in, err := s.read()
		if errors.Is(err, io.EOF) {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
		s.flights.add(record, in)
		if err := conn.Send(record); err != nil {
			return err
		}
	}
}

func (s *Spool) waitForRoom(ctx context.Context) error {
	for s.flights.len() >= s.options.Window {
		select {
		case <-s.flights.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}

// read returns the next final record of the files; io.EOF if there is none yet.
func (s *Spool) read() (*billingv1.UsageRecord, *segment, error) {
	p := &s.flights.place
	for {
		in, limit, sealed := s.unread(p.segment)
		if in == nil {
			return nil, nil, io.EOF
		}
		if in != p.segment {
			if err := p.open(in); err != nil {
				return nil, nil, err
			}
		}
		k, payload, err := p.next(limit)
		switch {
		case errors.Is(err, io.EOF) && sealed:
			p.done()
			continue
		case err != nil:
			return nil, nil, err
		case k != kindFinal:
			continue
		}
		record, err := decode(payload)
		if err != nil {
			return nil, nil, fmt.Errorf("decode usage record: %w", err)
		}
		return record, in, nil
	}
}

// unread returns the segment to read from, how much of it there is, and whether
// that is all there will be. At the end of a sealed segment the cursor's place
// has no file, and the segment after it is returned.
func (s *Spool) unread(at *segment) (in *segment, limit int64, sealed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.segments {
		if at == nil || g == at && s.flights.place.file != nil || g.sequence > at.sequence {
			return g, g.size, g.file == nil
		}
	}
	return nil, 0, false
}

func (p *cursorPlace) open(in *segment) error {
	p.close()
	file, err := os.Open(in.path)
	if err != nil {
		return fmt.Errorf("read usage segment: %w", err)
	}
	p.segment, p.cursor = in, cursor{file: file, buf: p.buf[:0]}
	return nil
}

// done leaves a segment that has been read to its end.
func (p *cursorPlace) done() { p.close() }

func (p *cursorPlace) close() {
	if p.file != nil {
		_ = p.file.Close()
		p.file = nil
	}
}

// land takes an acknowledgement.
func (s *Spool) land(r *billingv1.RecordUsageResponse) error {
	switch r.GetStatus() {
	case billingv1.RecordUsageResponse_STATUS_COMMITTED, billingv1.RecordUsageResponse_STATUS_DUPLICATE,
		billingv1.RecordUsageResponse_STATUS_CONFLICT, billingv1.RecordUsageResponse_STATUS_INVALID:
	default:
		return fmt.Errorf("billing answered status %v", r.GetStatus())
	}
	f := s.flights.take(identity{r.GetRequestId(), r.GetAttempt()})
	if f == nil {
		return nil // acknowledged twice
	}
	switch r.GetStatus() {
	case billingv1.RecordUsageResponse_STATUS_CONFLICT, billingv1.RecordUsageResponse_STATUS_INVALID:
		s.quarantine(f.record, r)
	}
	s.mu.Lock()
	f.segment.pending--
	s.pending--
	s.collect()
	s.mu.Unlock()
	signal(s.flights.room)
	signal(s.acked)
	return nil
}

func (f *flights) add(record *billingv1.UsageRecord, in *segment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	f.byID[identityOf(record)] = &flight{number: f.next, record: record, segment: in}
}

func (f *flights) take(id identity) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := f.byID[id]
	delete(f.byID, id)
	return found
}

func (f *flights) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.byID)
}

// all returns the flights in the order in which they were read.
func (f *flights) all() []*flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]*flight, 0, len(f.byID))
	for _, one := range f.byID {
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b *flight) int { return cmp.Compare(a.number, b.number) })
	return list
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

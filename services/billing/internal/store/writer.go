package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed means that the store was closed before an operation began.
var ErrClosed = errors.New("the database is closed")

// maxBatch bounds the operations of one transaction.
const maxBatch = 256

// operation is a change that waits for its turn. It may run more than once, so
// it must not build on what an earlier run left behind outside the database.
type operation struct {
	run   func(*tx) error
	state atomic.Int32
	err   error
	done  chan struct{}
}

// States of an operation: a caller who gives up may take back one that still waits.
const (
	waiting int32 = iota
	taken
	abandoned
)

// writer owns the only connection that writes. It takes everything that is
// queued, runs it in one transaction, and tells each caller after the commit:
// alone, an operation waits for nobody; under load, many share one commit.
type writer struct {
	db       *sql.DB
	dialect  dialect
	queue    chan *operation
	stop     chan struct{}
	stopOnce sync.Once
	stopped  chan struct{}
	session  *tx // nil until the first transaction and after a broken connection
}

func startWriter(db *sql.DB, dialect dialect, size int) *writer {
	if size <= 0 {
		size = 1024
	}
	w := &writer{db: db, dialect: dialect, queue: make(chan *operation, size), stop: make(chan struct{}), stopped: make(chan struct{})}
	go w.loop()
	return w
}

// do runs an operation and returns once it is committed or has failed. A
// context that ends takes back an operation that has not begun.
func (w *writer) do(ctx context.Context, run func(*tx) error) error {
	op := &operation{run: run, done: make(chan struct{})}
	select {
	case <-w.stop:
		return ErrClosed
	default:
	}
	select {
	case w.queue <- op:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.stop:
		return ErrClosed
	}
	select {
	case <-op.done:
		return op.err
	case <-ctx.Done():
		if op.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
	case <-w.stopped:
		if op.state.CompareAndSwap(waiting, abandoned) {
			return ErrClosed
		}
	}
	<-op.done
	return op.err
}

func (w *writer) close() error {
	w.stopOnce.Do(func() { close(w.stop) })
	<-w.stopped
	w.drop()
	return w.db.Close()
}

func (w *writer) loop() {
	defer close(w.stopped)
	batch := make([]*operation, 0, maxBatch)
	for {
		select {
		case op := <-w.queue:
			batch = append(batch[:0], op)
			// Whoever can run is let go first: under load they queue up and share
			// the transaction; otherwise this takes no time.
			runtime.Gosched()
		case <-w.stop:
			w.drain(batch[:0])
			return
		}
		w.commit(w.fill(batch))
	}
}

// drain commits what was queued before the stop.
func (w *writer) drain(batch []*operation) {
	for {
		batch = w.fill(batch[:0])
		if len(batch) == 0 {
			return
		}
		w.commit(batch)
	}
}

// fill adds what is queued right now; it never waits.
func (w *writer) fill(batch []*operation) []*operation {
	for len(batch) < maxBatch {
		select {
		case op := <-w.queue:
			batch = append(batch, op)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction. If an operation fails, all are run
// again between savepoints, which cost as much as a small operation does. If the
// transaction as a whole fails, each operation is run again in its own, so that
// none suffers for another.
func (w *writer) commit(batch []*operation) {
	live := batch[:0]
	for _, op := range batch {
		if op.state.CompareAndSwap(waiting, taken) {
			live = append(live, op)
		}
	}
	err := w.transact(live, false)
	if errors.Is(err, errFailed) {
		err = w.transact(live, true)
	}
	if err != nil {
		w.drop()
		w.oneByOne(live)
	}
	for _, op := range live {
		close(op.done)
	}
}

// oneByOne runs operations in transactions of their own. Once the database
// cannot be reached, the rest fail without being tried.
func (w *writer) oneByOne(batch []*operation) {
	for i, op := range batch {
		_, unreachable := w.open()
		if unreachable != nil {
			for _, rest := range batch[i:] {
				rest.err = fmt.Errorf("reach database: %w", unreachable)
			}
			return
		}
		if err := w.alone(op); err != nil {
			op.err = fmt.Errorf("write to database: %w", err)
		}
	}
}

// alone runs one operation, again if another process's stood in its way.
func (w *writer) alone(op *operation) error {
	const maxTries = 4
	for try := 1; ; try++ {
		err := w.transact([]*operation{op}, false)
		if err == nil {
			return nil
		}
		w.drop()
		if !isContention(err) || try == maxTries {
			return err
		}
	}
}

// errFailed means that a transaction was rolled back because an operation failed.
var errFailed = errors.New("an operation failed")

// transact runs operations in one transaction, each between savepoints if they
// are to be kept apart; else it returns errFailed when one of several fails. Any
// error means that the whole transaction came to nothing; other failures of
// single operations are left in them.
func (w *writer) transact(batch []*operation, apart bool) error {
	if len(batch) == 0 {
		return nil
	}
	tx, err := w.open()
	if err != nil {
		return err
	}
	defer tx.bound()()
	if err := tx.command(w.dialect.begin); err != nil {
		return err
	}
	for _, op := range batch {
		if !apart {
			op.err = op.run(tx)
		} else if err := guarded(tx, op); err != nil {
			return err
		}
		switch {
		case isContention(op.err):
			return op.err
		case op.err != nil && !apart:
			return rollback(tx, batch)
		}
	}
	return tx.command("COMMIT")
}

// rollback ends a transaction in which an operation failed. Alone, that is its
// own affair; the others of a batch are to be run again.
func rollback(tx *tx, batch []*operation) error {
	if err := tx.command("ROLLBACK"); err != nil {
		return err
	}
	if len(batch) > 1 {
		return errFailed
	}
	return nil
}

// guarded runs an operation between savepoints, so that its failure undoes
// nothing else.
func guarded(tx *tx, op *operation) error {
	if err := tx.command("SAVEPOINT op"); err != nil {
		return err
	}
	if op.err = op.run(tx); op.err != nil {
		if err := tx.command("ROLLBACK TO SAVEPOINT op"); err != nil {
			return err
		}
	}
	return tx.command("RELEASE SAVEPOINT op")
}

// writeLimit bounds connecting and one transaction on a server: a network that
// swallows everything must not stop the writer for ever.
const writeLimit = 30 * time.Second

// open returns the session, with a fresh connection if there is none.
func (w *writer) open() (*tx, error) {
	if w.session != nil {
		return w.session, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeLimit)
	defer cancel()
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w.session = &tx{ctx: context.Background(), conn: conn, dialect: w.dialect, prepared: map[string]*sql.Stmt{}}
	return w.session, nil
}

// drop gives up the connection, and with it any open transaction.
func (w *writer) drop() {
	if w.session == nil {
		return
	}
	_ = w.session.command("ROLLBACK") // fails where no transaction is open
	w.session.close()
	w.session = nil
}

package valkey

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

// settleDelay is how long what requests give back is gathered before it is told.
const settleDelay = 20 * time.Millisecond

// Replica is this router among those that share a Valkey.
type Replica struct {
	client   *Client
	members  *members
	circuits *circuits
}

// Join makes this router one of those that share. The books of quotas are made
// for it; follow is called with the circuits of others. Nothing happens before Start.
func Join(client *Client, follow Follow, log *slog.Logger) *Replica {
	id := rand.Text()
	book := func(kind string) *quota.Book {
		return quota.NewShared(&Quotas{client, id, kind}, client.config.Replicas, time.Now)
	}
	return &Replica{
		client:   client,
		members:  &members{client: client, id: id, targets: book("quota"), keys: book("rate")},
		circuits: newCircuits(client, id, follow, log),
	}
}

// Book holds the quotas of targets.
func (r *Replica) Book() *quota.Book { return r.members.targets }

// Keys holds the rates of keys.
func (r *Replica) Keys() *quota.Book { return r.members.keys }

// Observe tells the others of a change that this router saw. It does not wait.
func (r *Replica) Observe(e health.Event) { r.circuits.observe(e) }

// Start begins to share.
func (r *Replica) Start() {
	ctx := r.client.start(r.members, r.circuits)
	r.client.running.Go(func() { r.circuits.speak(ctx) })
	r.client.running.Go(func() { r.circuits.listen(ctx) })
	for _, b := range r.members.books() {
		r.client.running.Go(func() { settle(ctx, b) })
	}
}

// settle tells Valkey what was given back.
func settle(ctx context.Context, b *quota.Book) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.Changed():
		}
		if !sleep(ctx, settleDelay) {
			return
		}
		b.Flush(ctx)
	}
}

// Close tells the others that this router is gone, and ends all that runs.
func (r *Replica) Close() {
	ctx := context.Background() // each call is bounded
	for _, b := range r.members.books() {
		b.Flush(ctx)
	}
	r.members.leave(ctx)
	r.client.Close()
}

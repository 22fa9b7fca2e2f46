package valkey

import (
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/tollgate/tollgate/services/router/internal/health"
	"github.com/tollgate/tollgate/services/router/internal/quota"
)

// settleDelay is how long what attempts give back is gathered before it is told.
const settleDelay = 20 * time.Millisecond

// Replica is this router among those that share a Valkey.
type Replica struct {
	client   *Client
	book     *quota.Book
	members  *members
	circuits *circuits
}

// Join makes this router one of those that share. The book of quotas is made for
// it; follow is called with the circuits of others. Nothing happens before Start.
func Join(client *Client, follow Follow, log *slog.Logger) *Replica {
	id := rand.Text()
	book := quota.NewShared(&Quotas{client, id}, client.config.Replicas, time.Now)
	return &Replica{
		client: client, book: book, members: &members{client, id, book}, circuits: newCircuits(client, id, follow, log),
	}
}

// Book holds the quotas that are shared.
func (r *Replica) Book() *quota.Book { return r.book }

// Observe tells the others of a change that this router saw. It does not wait.
func (r *Replica) Observe(e health.Event) { r.circuits.observe(e) }

// Start begins to share.
func (r *Replica) Start() {
	ctx := r.client.start(r.members, r.circuits)
	r.client.running.Go(func() { r.circuits.speak(ctx) })
	r.client.running.Go(func() { r.circuits.listen(ctx) })
	r.client.running.Go(func() { r.settle(ctx) })
}

// settle tells Valkey what attempts gave back.
func (r *Replica) settle(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.book.Changed():
		}
		if !sleep(ctx, settleDelay) {
			return
		}
		r.book.Flush(ctx)
	}
}

// Close tells the others that this router is gone, and ends all that runs.
func (r *Replica) Close() {
	ctx := context.Background() // each call is bounded
	r.book.Flush(ctx)
	r.members.leave(ctx)
	r.client.Close()
}

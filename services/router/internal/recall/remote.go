package recall

import (
	"context"
	"fmt"
	"net/url"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/packed"
)

// Client reaches a store of bytes that several routers share.
type Client interface {
	// Get returns a value; nil if there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// Set keeps a value for a time.
	Set(ctx context.Context, name string, value []byte, ttl time.Duration) error
	// Delete forgets a value and says whether it was there.
	Delete(ctx context.Context, name string) (bool, error)
}

// Remote keeps things where other routers find them too. How much it keeps in
// all is for that server to bound.
type Remote struct {
	client Client
	ttl    time.Duration
}

// NewRemote makes a store over a client, which bounds how long it waits.
func NewRemote(c Client, ttl time.Duration) *Remote { return &Remote{c, ttl} }

// prefix begins the names of values. The number is that of their form: routers
// of two releases that write different forms do not read each other's.
const prefix = "recall:1:"

// maxValue bounds what a value becomes when it is unpacked.
const maxValue = 64 << 20

// retryAfter is when a client may ask again that could not be served. Routers
// look for the server four times a second.
const retryAfter = time.Second

// nameOf names an owner's value. Neither part can hold what parts them, for
// clients choose the ids that they ask for.
func nameOf(owner, id string) string {
	return prefix + url.QueryEscape(owner) + ":" + url.QueryEscape(id)
}

// Put keeps data until its time is over or the server needs the room. It fails
// with packed.ErrTooLarge for what is too large to be sent.
func (r *Remote) Put(ctx context.Context, owner, id string, data []byte) error {
	value, err := packed.Write(data)
	if err != nil {
		return err
	}
	return r.client.Set(ctx, nameOf(owner, id), value, r.ttl)
}

// Get returns what an owner has put; nil if it has not, or no more. It fails
// with UNAVAILABLE if that cannot be known now.
func (r *Remote) Get(ctx context.Context, owner, id string) ([]byte, error) {
	value, err := r.client.Get(ctx, nameOf(owner, id))
	if err != nil {
		return nil, unavailable(err)
	}
	if value == nil {
		return nil, nil
	}
	data, err := packed.Read(value, maxValue)
	if err != nil {
		return nil, errs.Internal(fmt.Errorf("read what was kept: %w", err))
	}
	return data, nil
}

// Delete forgets something and says whether it was there. It fails with
// UNAVAILABLE if it may be there still.
func (r *Remote) Delete(ctx context.Context, owner, id string) (bool, error) {
	there, err := r.client.Delete(ctx, nameOf(owner, id))
	if err != nil {
		return false, unavailable(err)
	}
	return there, nil
}

// unavailable is for the client, who can ask again: without what was kept its
// request would mean something else.
func unavailable(cause error) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "what was kept cannot be reached now").
		WithRetryAfter(retryAfter).WithCause(cause)
}

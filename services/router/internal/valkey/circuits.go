package valkey

import (
	"context"
	_ "embed"
	"log/slog"
	"strconv"
	"sync"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"

	"github.com/tollgate/tollgate/services/router/internal/health"
)

//go:embed circuits.lua
var circuitsSource string

var circuitsScript = valkeygo.NewLuaScript(circuitsSource)

const (
	// missed is how long a state is kept that does not end by itself, for those
	// that missed the message.
	missed = 10 * time.Second
	// listenInterval is how soon a replica listens when Valkey is back.
	listenInterval = 50 * time.Millisecond
)

// Follow takes over the state of a circuit that another replica has seen.
type Follow func(target, model string, s health.State, until time.Time)

// circuits tells other replicas of this one's circuits, and the other way round.
type circuits struct {
	client *Client
	id     string
	follow Follow
	log    *slog.Logger
	kick   chan struct{}

	mu sync.Mutex
	// mine are the states that this replica saw and that still last; unsaid are
	// those that the others have not been told of, by field.
	mine, unsaid map[string]health.Event
	// heard is what was followed last, by field.
	heard map[string]string
}

func newCircuits(client *Client, id string, follow Follow, log *slog.Logger) *circuits {
	return &circuits{
		client: client, id: id, follow: follow, log: log, kick: make(chan struct{}, 1),
		mine: make(map[string]health.Event), unsaid: make(map[string]health.Event), heard: make(map[string]string),
	}
}

// observe notes a change that this replica saw. It does not wait.
func (c *circuits) observe(e health.Event) {
	f := field(e.Target, e.Model)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unsaid[f] = e; lasting(e.To) {
		c.mine[f] = e
	} else {
		delete(c.mine, f)
	}
	c.wake()
}

func (c *circuits) wake() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *circuits) away() {}

// back has everything said again: it may have been forgotten.
func (c *circuits) back(context.Context, time.Time, bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f, e := range c.mine {
		if _, newer := c.unsaid[f]; !newer {
			c.unsaid[f] = e
		}
	}
	c.wake()
	return nil
}

// beat looks at what others have said, for a message may have been missed.
func (c *circuits) beat(ctx context.Context) error {
	c.wake() // for what could not be said
	r, err := c.client.script(ctx, circuitsScript, []string{c.key()}, "list")
	if err != nil {
		return err
	}
	texts, err := r.AsStrSlice()
	if err != nil {
		c.client.trip(err)
		return err
	}
	for _, text := range texts {
		c.hear(text)
	}
	return nil
}

// hear follows what another replica says.
func (c *circuits) hear(text string) {
	m, err := parseMessage(text)
	if err != nil {
		c.log.Warn("a message about a circuit cannot be read", slog.Any("error", err))
		return
	}
	if m.from == c.id {
		return
	}
	f := field(m.target, m.model)
	c.mu.Lock()
	known := c.heard[f] == text
	c.heard[f] = text
	delete(c.mine, f) // theirs is newer
	c.mu.Unlock()
	if !known {
		c.follow(m.target, m.model, m.state, m.until.Add(-time.Duration(c.client.offset.Load())))
	}
}

func (c *circuits) key() string { return c.client.key("circuits") }

func (c *circuits) channel() string { return c.client.key("circuits", "changes") }

// speak tells the others of changes until ctx ends.
func (c *circuits) speak(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.kick:
		}
		c.mu.Lock()
		unsaid := c.unsaid
		c.unsaid = make(map[string]health.Event)
		c.mu.Unlock()
		for f, e := range unsaid {
			if c.client.Up() && c.say(ctx, f, e) == nil {
				continue
			}
			c.mu.Lock()
			if _, newer := c.unsaid[f]; !newer {
				c.unsaid[f] = e // said when Valkey is back
			}
			c.mu.Unlock()
		}
	}
}

func (c *circuits) say(ctx context.Context, f string, e health.Event) error {
	lasts := missed
	if lasting(e.To) {
		if lasts = time.Until(e.Until); lasts < time.Millisecond {
			return nil // over before it could be said
		}
	}
	_, err := c.client.script(ctx, circuitsScript, []string{c.key()},
		"publish", c.channel(), f, e.To.String(), strconv.FormatInt(lasts.Milliseconds(), 10), c.id)
	return err
}

// listen hears what others say until ctx ends.
func (c *circuits) listen(ctx context.Context) {
	for {
		if c.client.Up() {
			inner := c.client.inner
			err := inner.Receive(ctx, inner.B().Subscribe().Channel(c.channel()).Build(), func(m valkeygo.PubSubMessage) { c.hear(m.Message) })
			if ctx.Err() == nil && c.client.Up() {
				c.client.trip(err)
			}
		}
		if !sleep(ctx, listenInterval) {
			return
		}
	}
}

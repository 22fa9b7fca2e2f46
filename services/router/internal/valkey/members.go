package valkey

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"

	"github.com/tollgate/tollgate/services/router/internal/quota"
)

// lapse is after how long a replica that says nothing is gone.
const lapse = 5 * time.Second

//go:embed members.lua
var membersSource string

var membersScript = valkeygo.NewLuaScript(membersSource)

// members knows which replicas there are.
type members struct {
	client *Client
	id     string
	// targets and keys are what they count together.
	targets, keys *quota.Book
}

func (m *members) books() [2]*quota.Book { return [...]*quota.Book{m.targets, m.keys} }

func (m *members) away() {
	for _, b := range m.books() {
		b.Away()
	}
}

func (m *members) back(ctx context.Context, now time.Time, first bool) error {
	for _, b := range m.books() {
		if err := b.Return(ctx, now, first); err != nil {
			return err
		}
	}
	return nil
}

func (m *members) beat(ctx context.Context) error {
	r, err := m.client.script(ctx, membersScript, []string{m.key()}, m.id,
		strconv.FormatInt(m.client.time().UnixMicro(), 10), strconv.FormatInt(beatInterval.Microseconds(), 10),
		strconv.FormatInt(lapse.Microseconds(), 10))
	if err != nil {
		return err
	}
	now, seen, err := readMembers(r)
	if err != nil {
		m.client.trip(err)
		return err
	}
	m.client.offset.Store(int64(time.Until(now)))
	for _, b := range m.books() {
		b.Members(m.id, seen, now)
	}
	m.targets.Refresh(ctx, beatInterval/2) // there may be too many keys
	return nil
}

// leave says that this replica is gone, so that the others need not wait.
func (m *members) leave(ctx context.Context) {
	_, _ = m.client.script(ctx, membersScript, []string{m.key()}, m.id, "-1", "0",
		strconv.FormatInt(lapse.Microseconds(), 10)) // without it, they wait
}

func (m *members) key() string { return m.client.key("replicas") }

func readMembers(r valkeygo.ValkeyResult) (now time.Time, seen map[string]time.Time, err error) {
	parts, err := r.AsStrSlice()
	if err != nil {
		return now, nil, fmt.Errorf("read replicas: %w", err)
	}
	if len(parts)%2 != 1 {
		return now, nil, fmt.Errorf("read replicas: %d parts", len(parts))
	}
	seen = make(map[string]time.Time, len(parts)/2)
	for i := 0; i < len(parts); i += 2 {
		micros, err := strconv.ParseInt(parts[i], 10, 64)
		if err != nil {
			return now, nil, fmt.Errorf("read replicas: %w", err)
		}
		if at := time.UnixMicro(micros); i == 0 {
			now = at
		} else {
			seen[parts[i-1]] = at
		}
	}
	return now, seen, nil
}

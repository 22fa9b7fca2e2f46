package valkey

import (
	"context"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	valkeygo "github.com/valkey-io/valkey-go"

	"github.com/tollgate/tollgate/services/router/internal/quota"
)

//go:embed quota.lua
var quotaSource string

var quotaScript = valkeygo.NewLuaScript(quotaSource)

// Quotas counts what all replicas grant.
type Quotas struct {
	client *Client
	id     string
	kind   string // what is limited: quota, of targets, or rate, of keys
}

var _ quota.Shared = (*Quotas)(nil)

// key holds one limit. Those of a target lie together, for a request may meet two.
func (q *Quotas) key(target, model string) string {
	if model == "" {
		return q.client.key(target, q.kind)
	}
	return q.client.key(target, q.kind, model)
}

// Reserve implements quota.Shared.
func (q *Quotas) Reserve(ctx context.Context, target, model string, asks []quota.Ask) (quota.Reply, error) {
	keys := make([]string, len(asks))
	args := make([]string, 0, 2+4*len(asks))
	args = append(args, "reserve", q.id)
	for i, a := range asks {
		if a.Model {
			keys[i] = q.key(target, model)
		} else {
			keys[i] = q.key(target, "")
		}
		for _, n := range [...]int64{a.Limit.Requests, a.Limit.Tokens, a.N.Requests, a.N.Tokens} {
			args = append(args, strconv.FormatInt(n, 10))
		}
	}
	r, err := q.client.script(ctx, quotaScript, keys, args...)
	if err != nil {
		return quota.Reply{}, err
	}
	reply, err := readReply(r, len(asks))
	if err != nil {
		q.client.trip(err)
	}
	return reply, err
}

// readReply reads: granted, seconds and microseconds of the clock, the second of
// the grant, seconds to wait, which limit refused, and a row for each ask.
func readReply(r valkeygo.ValkeyResult, asks int) (quota.Reply, error) {
	parts, err := r.ToArray()
	if err != nil {
		return quota.Reply{}, fmt.Errorf("read what was granted: %w", err)
	}
	if len(parts) != 6+asks {
		return quota.Reply{}, fmt.Errorf("read what was granted: %d parts", len(parts))
	}
	granted, errGranted := parts[0].AsInt64()
	seconds, errSeconds := parts[1].ToString()
	micros, errMicros := parts[2].ToString()
	second, errSecond := parts[3].AsInt64()
	wait, errWait := parts[4].AsInt64()
	which, errWhich := parts[5].ToString()
	for _, err := range []error{errGranted, errSeconds, errMicros, errSecond, errWait, errWhich} {
		if err != nil {
			return quota.Reply{}, fmt.Errorf("read what was granted: %w", err)
		}
	}
	now, err := readTime([]string{seconds, micros})
	if err != nil {
		return quota.Reply{}, err
	}
	reply := quota.Reply{Granted: granted == 1, Time: now, Second: second, Limit: which}
	if wait > 0 {
		reply.Wait = time.Unix(second+wait, 0).Sub(now)
	}
	for _, p := range parts[6:] {
		raw, err := p.ToString()
		if err != nil {
			return quota.Reply{}, fmt.Errorf("read what was granted: %w", err)
		}
		reply.Windows = append(reply.Windows, row(raw))
	}
	return reply, nil
}

// Adjust implements quota.Shared.
func (q *Quotas) Adjust(ctx context.Context, target, model string, changes map[int64]quota.Rates) error {
	args := make([]string, 0, 2+3*len(changes))
	args = append(args, "adjust", q.id)
	for second, n := range changes {
		for _, v := range [...]int64{second, n.Requests, n.Tokens} {
			args = append(args, strconv.FormatInt(v, 10))
		}
	}
	_, err := q.client.script(ctx, quotaScript, []string{q.key(target, model)}, args...)
	return err
}

// Replace implements quota.Shared. It is called while Valkey comes back.
func (q *Quotas) Replace(ctx context.Context, target, model string, granted *quota.Window) error {
	_, err := q.client.scriptBack(ctx, quotaScript, []string{q.key(target, model)}, "replace", q.id, string(encode(granted)))
	return err
}

// row is a window as the script writes it: the newest second, the requests and
// the tokens of each second, as big-endian doubles.
type row string

const rowBytes = 8 * (1 + 2*quota.Seconds)

// Decode implements quota.Encoded.
func (r row) Decode() (quota.Window, bool) {
	if len(r) != rowBytes {
		return quota.Window{}, false
	}
	number := func(i int) int64 {
		return int64(math.Float64frombits(binary.BigEndian.Uint64([]byte(r[8*i : 8*i+8]))))
	}
	w := quota.Window{At: number(0)}
	for i := range w.Used {
		w.Used[i] = quota.Rates{Requests: number(1 + i), Tokens: number(1 + quota.Seconds + i)}
	}
	return w, true
}

func encode(w *quota.Window) row {
	var out strings.Builder
	out.Grow(rowBytes)
	number := func(n int64) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], math.Float64bits(float64(n)))
		out.Write(b[:])
	}
	number(w.At)
	for _, n := range w.Used {
		number(n.Requests)
	}
	for _, n := range w.Used {
		number(n.Tokens)
	}
	return row(out.String())
}

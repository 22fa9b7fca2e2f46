package cache

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
)

// Entry is an answer with what must be known to give it again.
type Entry struct {
	// Completion is the answer as its first client was allowed to see it.
	Completion *llmv1.Completion
	// Model and Target are what wrote it, and Used is what that took.
	Model  *billingv1.PricedModel
	Target string
	Used   *llmv1.Usage
	// Notices are what the output guard found in it.
	Notices []*llmv1.GuardrailNotice
	// Stored is when it was kept, to the millisecond.
	Stored time.Time
	// Beats are the pace at which it was written; none if it came at once.
	Beats []Beat
}

// Beat is a pause and what was written after it.
type Beat struct {
	After time.Duration
	Bytes int
}

// Kept is an entry as it lies in a store: bytes, so that two who get it cannot
// change each other's, and its size is known exactly.
type Kept struct{ value []byte }

// Size is how many bytes it takes.
func (k *Kept) Size() int { return len(k.value) }

// format is the first byte of a value. A value of another format counts as none.
const format = 1

// Keep writes an entry for the store, under its question's key.
func Keep(q *Question, e *Entry) (*Kept, error) {
	key := q.Key()
	b := make([]byte, 0, 512+proto.Size(e.Completion))
	b = append(append(b, format), key[:]...)
	b = binary.AppendUvarint(b, uint64(e.Stored.UnixMilli()))
	b = appendText(b, e.Target)
	b = binary.AppendUvarint(b, uint64(len(e.Beats)))
	for _, beat := range e.Beats {
		b = binary.AppendUvarint(b, uint64(beat.After.Milliseconds()))
		b = binary.AppendUvarint(b, uint64(beat.Bytes))
	}
	messages := make([]proto.Message, 0, 3+len(e.Notices))
	messages = append(messages, e.Model, e.Used, e.Completion)
	for _, n := range e.Notices {
		messages = append(messages, n)
	}
	b = binary.AppendUvarint(b, uint64(len(e.Notices)))
	for _, m := range messages {
		var err error
		if b, err = appendMessage(b, m); err != nil {
			return nil, fmt.Errorf("keep answer: %w", err)
		}
	}
	return &Kept{b}, nil
}

// belongs says whether a value was kept under this key.
func belongs(value []byte, key Key) bool {
	return len(value) > len(key) && value[0] == format && bytes.Equal(value[1:1+len(key)], key[:])
}

var errTorn = errors.New("the value is torn")

// Entry reads the entry; each call makes its own copy.
func (k *Kept) Entry() (*Entry, error) {
	if len(k.value) <= len(Key{}) || k.value[0] != format {
		return nil, errTorn
	}
	r := reading{b: k.value[1+len(Key{}):]}
	e := &Entry{Stored: time.UnixMilli(int64(r.number())), Target: string(r.bytes(r.number()))}
	if n := r.count(2); n > 0 {
		e.Beats = make([]Beat, n)
	}
	for i := range e.Beats {
		e.Beats[i] = Beat{After: time.Duration(r.number()) * time.Millisecond, Bytes: int(r.number())}
	}
	notices := r.count(8)
	e.Model, e.Used, e.Completion = &billingv1.PricedModel{}, &llmv1.Usage{}, &llmv1.Completion{}
	r.message(e.Model)
	r.message(e.Used)
	r.message(e.Completion)
	for range notices {
		n := &llmv1.GuardrailNotice{}
		r.message(n)
		e.Notices = append(e.Notices, n)
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = errTorn
	}
	if r.err != nil {
		return nil, fmt.Errorf("read kept answer: %w", r.err)
	}
	return e, nil
}

// reading goes through a value; after a fault it reads nothing more.
type reading struct {
	b   []byte
	err error
}

func (r *reading) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if r.err != nil || size <= 0 {
		r.err = errTorn
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads how many things follow, each of which takes at least so many bytes.
func (r *reading) count(each int) int {
	n := r.number()
	if n > uint64(len(r.b)/each) {
		r.err = errTorn
		return 0
	}
	return int(n)
}

func (r *reading) bytes(n uint64) []byte {
	if r.err != nil || n > uint64(len(r.b)) {
		r.err = errTorn
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reading) message(m proto.Message) {
	head := r.bytes(8)
	if r.err != nil {
		return
	}
	body := r.bytes(binary.LittleEndian.Uint64(head))
	if r.err == nil {
		r.err = proto.Unmarshal(body, m)
	}
}

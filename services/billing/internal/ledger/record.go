// Package ledger turns what attempts used into priced, balanced ledger
// entries. A record's identity is its request and attempt, for ever; its
// hash tells a repetition from a contradiction.
package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tollgate/tollgate/services/billing/internal/budget"
	"github.com/tollgate/tollgate/services/billing/internal/price"
)

// Source says where token counts come from. The numbers are stored.
type Source int

// The sources.
const (
	FromProvider Source = iota + 1 // reported; an explicit zero stays zero
	Estimated                      // counted here, because the provider did not report
	None                           // nothing was spent: the request never reached a model
)

// Outcome is how an attempt ended. The numbers are stored.
type Outcome int

// The outcomes.
const (
	Succeeded Outcome = iota + 1
	Failed
	Cancelled
	Blocked
	Crashed
	Cached
)

// Record is what one attempt used.
type Record struct {
	RequestID      string
	Attempt        int32
	Scopes         budget.Scopes
	Provider       string
	Model          string
	Region         string
	Mode           price.Mode
	Target         string
	RequestedModel string
	Tokens         price.Tokens
	Source         Source
	Outcome        Outcome
	Start          time.Time
	Duration       time.Duration
	FirstToken     time.Duration // 0: no content came
	Streamed       bool
	Hold           string // id of the hold that this settles; may be empty
	Last           bool   // the last attempt of its request: its hold ends
	TraceID        string
	Metadata       map[string]string
}

// InvalidError says why something can never be a record.
type InvalidError struct{ Field, Message string }

// Error names the field.
func (e *InvalidError) Error() string { return e.Field + " " + e.Message }

// check returns an *InvalidError for what can never be booked.
func (r *Record) check() error {
	fail := func(field, message string) error { return &InvalidError{field, message} }
	switch {
	case r.RequestID == "":
		return fail("request_id", "is missing")
	case r.Attempt < 1:
		return fail("attempt", "begins at 1")
	case r.Scopes.Organization == "":
		return fail("scopes.organization", "is missing")
	case r.Provider == "" || r.Model == "":
		return fail("priced_model", "needs provider and model")
	case !r.Mode.Valid():
		return fail("priced_model.mode", "is unknown")
	case r.Source < FromProvider || r.Source > None:
		return fail("usage.source", "is missing")
	case r.Outcome < Succeeded || r.Outcome > Cached:
		return fail("outcome", "is missing")
	case r.Start.Before(time.Unix(0, 0)):
		return fail("start_time", "is missing or before 1970")
	case r.Source == None && r.Tokens.Total() != 0:
		return fail("usage", "has tokens but source none")
	}
	for class, count := range r.Tokens {
		if count < 0 || count > maxTokens {
			return fail("usage."+price.Class(class).String()+"_tokens", "is out of range")
		}
	}
	return nil
}

// maxTokens bounds a count so that sums over a report cannot overflow.
const maxTokens = 1 << 40

// Hash identifies the content of a record.
func (r *Record) Hash() string {
	buffer := make([]byte, 0, 1024)
	for _, text := range [...]string{
		r.RequestID, r.Scopes.Organization, r.Scopes.Team, r.Scopes.User, r.Scopes.Key, r.Provider, r.Model, r.Region,
		string(r.Mode), r.Target, r.RequestedModel, r.Hold, r.TraceID,
	} {
		buffer = appendText(buffer, text)
	}
	for _, number := range [...]int64{
		int64(r.Attempt), int64(r.Source), int64(r.Outcome), r.Start.UnixNano(), int64(r.Duration), int64(r.FirstToken),
		flag(r.Streamed), flag(r.Last),
	} {
		buffer = appendNumber(buffer, number)
	}
	for _, count := range r.Tokens {
		buffer = appendNumber(buffer, count)
	}
	if len(r.Metadata) > 0 {
		for _, key := range slices.Sorted(maps.Keys(r.Metadata)) {
			buffer = appendText(appendText(buffer, key), r.Metadata[key])
		}
	}
	sum := sha256.Sum256(buffer)
	return hex.EncodeToString(sum[:16])
}

func appendText(buffer []byte, text string) []byte {
	return append(appendNumber(buffer, int64(len(text))), text...)
}

func appendNumber(buffer []byte, number int64) []byte {
	return binary.LittleEndian.AppendUint64(buffer, uint64(number))
}

func flag(set bool) int64 {
	if set {
		return 1
	}
	return 0
}

// String names the record in logs.
func (r *Record) String() string { return fmt.Sprintf("%s/%d", r.RequestID, r.Attempt) }

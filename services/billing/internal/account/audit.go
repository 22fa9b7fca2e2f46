package account

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Change says who changed what; the store turns it into an Event in the
// transaction of the change.
type Change struct {
	Organization string
	Actor        string // keys/… or "system"
	Action       string // for example "keys.create"
	Resource     string // a resource name
	At           time.Time
}

// Event is a change in an organisation's audit log. Each event's hash covers
// the hash before it, so that a gap or a change later on shows.
type Event struct {
	Change
	Sequence int64 // from 1 without gaps
	Hash     string
}

// Chain makes the event that follows one with the given sequence and hash
// (0 and "" for the first).
func (c Change) Chain(sequence int64, previous string) Event {
	event := Event{Change: c, Sequence: sequence + 1}
	event.At = event.At.UTC().Truncate(time.Microsecond) // what every database keeps
	event.Hash = event.hash(previous)
	return event
}

func (e *Event) hash(previous string) string {
	canonical, _ := json.Marshal([]any{ // strings and numbers always marshal
		previous, e.Organization, e.Sequence, e.At.UnixMicro(), e.Actor, e.Action, e.Resource,
	})
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:])
}

// VerifyChain checks events in rising order, the first of which follows the
// given sequence and hash.
func VerifyChain(events []Event, sequence int64, previous string) error {
	for _, event := range events {
		sequence++
		if event.Sequence != sequence {
			return fmt.Errorf("audit event %d of %s is missing", sequence, event.Organization)
		}
		if event.hash(previous) != event.Hash {
			return fmt.Errorf("audit event %d of %s was changed", sequence, event.Organization)
		}
		previous = event.Hash
	}
	return nil
}

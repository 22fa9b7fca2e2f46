package load

import (
	"errors"
	"fmt"
	"time"
)

// Mode is the kind of request.
type Mode string

// The kinds of request.
const (
	Chat   Mode = "chat"   // answered whole
	Stream Mode = "stream" // answered chunk by chunk
)

// Plan says what is sent to every gateway.
type Plan struct {
	// Modes are measured one after the other.
	Modes []Mode
	// Clients is how many send at the same time.
	Clients int
	// Rate is how many requests are begun a second; 0 is a closed loop: each
	// client sends its next request when it has its answer.
	Rate float64
	// Requests and Duration end a round, whichever comes first.
	Requests int
	Duration time.Duration
	// Rounds is how often each gateway has its turn; they take turns.
	Rounds int
	// Warmup is how many requests are sent unmeasured before each round.
	Warmup int
	// PromptBytes is the length of the question.
	PromptBytes int
	// Model is asked for where a gateway names none.
	Model string
	// Timeout bounds one request.
	Timeout time.Duration
}

// Validate holds a plan inside bounds: a run always ends, and nothing is
// flooded beyond what one machine measures.
func (p Plan) Validate() error {
	var problems []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(len(p.Modes) > 0, "no mode")
	for _, m := range p.Modes {
		check(m == Chat || m == Stream, "mode %q: use chat or stream", m)
	}
	check(p.Clients >= 1 && p.Clients <= 4096, "clients: 1 to 4096")
	check(p.Rate >= 0 && p.Rate <= 100_000, "rate: 0 to 100000 a second")
	check(p.Requests >= 1 && p.Requests <= 1_000_000, "requests: 1 to 1000000 a round")
	check(p.Duration > 0 && p.Duration <= 10*time.Minute, "duration: up to 10m a round")
	check(p.Rounds >= 1 && p.Rounds <= 100, "rounds: 1 to 100")
	check(p.Warmup >= 0 && p.Warmup <= 100_000, "warmup: 0 to 100000")
	check(p.PromptBytes >= 1 && p.PromptBytes <= 1<<20, "prompt: 1 to 1048576 bytes")
	check(p.Timeout > 0 && p.Timeout <= 10*time.Minute, "timeout: up to 10m")
	check(p.Model != "", "no model")
	return errors.Join(problems...)
}

package e2e

import "time"

// verdict is how a request may end.
type verdict string

const (
	// passed: the whole right answer from the target itself, at the first attempt.
	passed verdict = "passed"
	// rescued: the whole right answer, from a further attempt.
	rescued verdict = "rescued"
	// refused: a typed error in place of an answer.
	refused verdict = "refused"
	// interrupted: a typed error within the stream, behind a right beginning.
	interrupted verdict = "interrupted"
)

// want is what must come of a request.
type want struct {
	verdict
	// own and other are the attempts: of the target with the fault, and of the fallback.
	own, other int
	// reason is that of the error, if it is one.
	reason string
	// text is the answer, if it is not the usual one.
	text string
}

func pass() want                         { return want{verdict: passed, own: 1} }
func rescue(own, other int) want         { return want{verdict: rescued, own: own, other: other} }
func refuse(reason string, own int) want { return want{verdict: refused, own: own, reason: reason} }

// interrupt is always for the same reason.
func interrupt(own, other int) want {
	return want{verdict: interrupted, own: own, other: other, reason: "STREAM_INTERRUPTED"}
}

func except(dialect string, w want) exception { return exception{dialect, w} }

// exception is a dialect in which something else must come.
type exception struct {
	dialect string
	want
}

// side is one half of a fault: as it shows in streams, or in whole answers.
type side struct {
	behaviour string
	want
	exceptions []exception
	// cost is how long the fault takes at least, and no more than a little longer.
	cost time.Duration
}

func (s side) expects(dialect string) want {
	for _, e := range s.exceptions {
		if e.dialect == dialect {
			return e.want
		}
	}
	return s.want
}

// fault is a row of the suite.
type fault struct {
	name string
	// stream and whole are nil where the fault cannot exist.
	stream, whole *side
	// alone is set where there is no fallback.
	alone bool
	// fallback is how that behaves; well by default. elsewhere makes it a
	// provider of another wire format.
	fallback  string
	elsewhere bool
	// reads is what is known of how much the fallback reads, in tokens; the target
	// with the fault reads tokens itself.
	reads int
	// hurried gives the target short timeouts.
	hurried bool
	// heavy is set where much is sent: few of those run at once, and longer.
	heavy bool
	// only are the wire formats that can have it; nil means all.
	only []string
	// every asks in every client dialect.
	every bool
	// ask is what is asked; a long text by default.
	ask asking
}

// asking is what is asked.
type asking uint8

const (
	forText asking = iota
	forTools
	forTwo
)

// The timeouts of hurried targets, and the fakes' delay, which is longer.
const (
	slowness   = 1500 * time.Millisecond
	hurryFirst = 600 * time.Millisecond
	hurryIdle  = 500 * time.Millisecond
	hurryTotal = 1200 * time.Millisecond
)

// in is a side of a fault.
func in(behaviour string, w want, exceptions ...exception) *side {
	return &side{behaviour: behaviour, want: w, exceptions: exceptions}
}

// costing is the same, where the fault takes its time.
func costing(cost time.Duration, behaviour string, w want, exceptions ...exception) *side {
	return &side{behaviour: behaviour, want: w, exceptions: exceptions, cost: cost}
}

// both is a fault that is the same in streams and in whole answers.
func both(name string, behaviour string, w want, exceptions ...exception) fault {
	return fault{name: name, stream: in(behaviour, w, exceptions...), whole: in(behaviour, w, exceptions...)}
}

// streamed is a fault that only streams can have.
func streamed(name string, s *side) fault { return fault{name: name, stream: s} }

// costs says how long each side takes at least.
func (f fault) costs(d time.Duration) fault {
	for _, s := range []*side{f.stream, f.whole} {
		if s != nil {
			s.cost = d
		}
	}
	return f
}

// but is the fault with something else about it.
func (f fault) but(changes ...func(*fault)) fault {
	for _, change := range changes {
		change(&f)
	}
	return f
}

func alone(f *fault)       { f.alone = true }
func everyClient(f *fault) { f.every = true }
func hurried(f *fault)     { f.hurried = true }
func withTools(f *fault)   { f.ask = forTools }
func withTwo(f *fault)     { f.ask = forTwo }
func elsewhere(f *fault)   { f.elsewhere = true }

// How much models read, in tokens.
const (
	smaller = 4_000
	tokens  = 8_000
	larger  = 16_000
)

func reads(n int) func(*fault)             { return func(f *fault) { f.reads = n } }
func only(dialects ...string) func(*fault) { return func(f *fault) { f.only = dialects } }
func fallback(how string) func(*fault)     { return func(f *fault) { f.fallback = how } }

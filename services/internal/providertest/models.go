package providertest

import "strings"

// Models that misbehave, in every fake. Any other name behaves well. A name may
// be put behind a real one, as in "claude-sonnet-4-5~cut", where a client or a
// catalogue looks at the name.
const (
	RateLimited      = "rate-limited"       // 429
	RateLimitedAfter = "rate-limited-after" // 429 and when to come again: in one second
	RateLimitedLong  = "rate-limited-long"  // the same: in a minute
	RateLimitedDate  = "rate-limited-date"  // the same, as a date: in about a second
	RateLimitedMS    = "rate-limited-ms"    // the same, in milliseconds: in 300
	FailOnce         = "fail-once"          // 500, then well
	ServerError      = "server-error"       // 500
	Unavailable      = "unavailable"        // 503, as a proxy says it
	Overloaded       = "overloaded"         // 503 or 529, as the provider says it
	TimedOut         = "timed-out"          // 504, or what the provider says instead
	Unauthorized     = "unauthorized"       // 401
	Forbidden        = "forbidden"          // 403
	Missing          = "missing"            // 404
	TooLarge         = "too-large"          // 413
	ContextExceeded  = "context-exceeded"   // 400: more tokens than the model takes
	ContentFilter    = "content-filter"     // what was asked is blocked
	Rejected         = "rejected"           // 400 that names a parameter
	Reset            = "reset"              // the connection is reset before an answer
	DrippedHeaders   = "dripped-headers"    // headers come a byte at a time, and never end
	EndlessHeaders   = "endless-headers"    // headers come as fast as they are taken, and never end
	Flapping         = "flapping"           // 503 and resets for a Host.Period, well for the next, and so on
	Silent           = "silent"             // no answer at all
	HTML             = "html"               // a web page with status 200
	Redirect         = "redirect"           // 307 to another address
	Bomb             = "bomb"               // a small compressed body that becomes a very large one
)

// Models whose answer goes wrong after it began.
const (
	SlowFirstToken = "slow-first-token" // headers at once, content after Host.Delay
	Cut            = "cut"              // the connection ends within the answer
	EndsEarly      = "ends-early"       // the body ends well, within the answer
	Stall          = "stall"            // the stream stands still within the answer
	Malformed      = "malformed"        // an event that is not JSON within the answer
	Huge           = "huge"             // one event of 64 MiB within the answer
	ErrorInStream  = "error-in-stream"  // an error within a stream that began well
	Truncated      = "truncated"        // a whole answer that is cut
	ErrorFirst     = "error-first"      // status 200 and an error instead of an answer
	Torn           = "torn"             // an event of the answer is in two pieces, neither of which is JSON
	Noise          = "noise"            // lines that are none of the answer's within it, which goes on whole
	Large          = "large"            // 50 MiB in one piece: a whole answer behind spaces, or one event
	Endless        = "endless"          // the same, without an end
	Chatter        = "chatter"          // the stream stands still within the answer, but for signs of life
	ClosedEarly    = "closed-early"     // the end of the connection is the body's, and comes within the answer
	GzipCut        = "gzip-cut"         // compressed, and the connection ends within the answer
	NoDone         = "no-done"          // the stream ends without its terminal event
)

// Models that behave well in ways that clients forget.
const (
	NoUsage       = "no-usage"       // no usage, whatever was asked for
	ZeroUsage     = "zero-usage"     // a usage of zeros
	Cached        = "cached"         // half the prompt is read from the provider's cache
	UnknownFields = "unknown-fields" // members that no client knows
	Thinking      = "thinking"       // thinks, asked or not
	Redacted      = "redacted"       // thinks, and hides some of it where the wire format can
	ParallelTools = "parallel-tools" // calls two tools at once
	OddArguments  = "odd-arguments"  // calls a tool with OddJSON
	Refusal       = "refusal"        // ends its answer as a refusal
	Cites         = "cites"          // names its sources, as Perplexity does in OpenAI's format
	Gzip          = "gzip"           // compresses a whole answer, if the client takes that
	Compressed    = "compressed"     // compresses answers and streams, whatever the client takes
	Closing       = "closing"        // closes the connection behind its answer
	CloseEnded    = "close-ended"    // the end of the connection is the body's end
	LateUsage     = "late-usage"     // the usage of a stream comes Host.Delay after all else
	Interleaved   = "interleaved"    // calls two tools at once, their arguments in turns where the wire format can
	Otherwise     = "otherwise"      // answers in other words, but goes on well from what it is given to go on from
	NoPrefill     = "no-prefill"     // the same, but refuses to go on
)

// Models that send events in ways that are legal and rare.
const (
	Comments  = "comments"   // comments, and fields that matter to browsers only
	CRLF      = "crlf"       // lines end with CR LF
	BOM       = "bom"        // a byte order mark comes first
	MultiLine = "multi-line" // the JSON of an event stands on several lines
	NoSpace   = "no-space"   // no space behind a colon
	Tiny      = "tiny"       // three bytes at a time
	Bytewise  = "bytewise"   // a byte at a time, whole answers too
	OneWrite  = "one-write"  // all events in one piece
	Awkward   = "awkward"    // all of the above but for OneWrite
)

// OddJSON is a JSON object in a form that no encoder writes: a client that
// decodes and encodes it changes its bytes.
const OddJSON = `{"city" : "Z\u00fcrich → 東京 🗼\/",` + "\n\t" + `"n":1.50e+1, "html":"<a&b>" , "deep":[[{ }]]}`

// Behaviour is the part of a model's name that chooses how a fake behaves: what
// stands behind the last "~", else behind the last slash.
func Behaviour(model string) string {
	if i := strings.LastIndexByte(model, '~'); i >= 0 {
		return model[i+1:]
	}
	return model[strings.LastIndexByte(model, '/')+1:]
}

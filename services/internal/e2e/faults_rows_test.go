package e2e

import (
	"slices"
	"time"

	pt "github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

// faults are the rows of the suite. Targets with a fault are retried once before
// the first content; behind it a stream is recovered twice, by whoever is behind
// in the route, or by the same target if nobody is.
var faults = slices.Concat(limits, failures, headers, streams, recoveries, bodies, oddities)

var limits = []fault{
	both("429", pt.RateLimited, rescue(2, 1)),
	both("429, no fallback", pt.RateLimited, refuse("PROVIDER_RATE_LIMITED", 2)).but(alone, everyClient),
	both("429, come again in 1 s", pt.RateLimitedAfter, rescue(2, 1)).costs(time.Second),
	both("429, come again at a date", pt.RateLimitedDate, rescue(2, 1)).costs(time.Second).but(only("openai", "anthropic", "bedrock")),
	both("429, come again in 300 ms", pt.RateLimitedMS, rescue(2, 1)).costs(300 * time.Millisecond).but(only("openai", "anthropic")),
	both("429, come again in a minute", pt.RateLimitedLong, rescue(1, 1)),
	both("429, come again in a minute, no fallback", pt.RateLimitedLong, refuse("PROVIDER_RATE_LIMITED", 1)).but(alone),
}

var failures = []fault{
	both("500 once", pt.FailOnce, rescue(2, 0)).but(everyClient),
	both("500 for ever", pt.ServerError, rescue(2, 1)),
	both("503 for ever", pt.Unavailable, rescue(2, 1)).but(everyClient),
	both("503 for ever, other provider", pt.Unavailable, rescue(2, 1)).but(elsewhere),
	both("503 for ever, no fallback", pt.Unavailable, refuse("PROVIDER_UNAVAILABLE", 2)).but(alone, everyClient),
	both("overloaded", pt.Overloaded, rescue(2, 1)),
	both("504", pt.TimedOut, rescue(1, 1)),
	both("reset before headers", pt.Reset, rescue(2, 1)),
	both("reset before headers, no fallback", pt.Reset, refuse("PROVIDER_UNAVAILABLE", 2)).but(alone),
	both("401", pt.Unauthorized, rescue(1, 1)),
	both("401, no fallback", pt.Unauthorized, refuse("PROVIDER_AUTH", 1)).but(alone, everyClient),
	both("403", pt.Forbidden, rescue(1, 1)),
	both("404", pt.Missing, rescue(1, 1)),
	both("context exceeded, fallback reads more", pt.ContextExceeded, rescue(1, 1)).but(reads(larger)),
	both("context exceeded, fallback reads no more", pt.ContextExceeded, refuse("CONTEXT_EXCEEDED", 1)).but(reads(smaller)),
	both("context exceeded, fallback not known", pt.ContextExceeded, rescue(1, 1)),
	both("context exceeded, no fallback", pt.ContextExceeded, refuse("CONTEXT_EXCEEDED", 1)).but(alone, everyClient),
	both("bad parameter", pt.Rejected, refuse("PROVIDER_REJECTED", 1)),
	both("content filter", pt.ContentFilter, refuse("PROVIDER_CONTENT_FILTERED", 1),
		except("bedrock", want{verdict: passed, own: 1, text: "Sorry, the guardrail blocked this."})),
	both("HTML with status 200", pt.HTML, rescue(2, 1)).but(everyClient),
	both("HTML with status 200, no fallback", pt.HTML, refuse("PROVIDER_UNAVAILABLE", 2)).but(alone),
	both("error with status 200", pt.ErrorFirst, rescue(2, 1)).but(only("openai", "anthropic", "gemini")),
	streamed("error as first event", in(pt.ErrorFirst, rescue(2, 1))).but(only("bedrock")),
}

var headers = []fault{
	{
		name: "silence", hurried: true, every: true,
		stream: costing(hurryFirst, pt.Silent, rescue(1, 1)), whole: costing(hurryTotal, pt.Silent, rescue(1, 1)),
	},
	{
		name: "silence, no fallback", hurried: true, alone: true,
		stream: costing(hurryFirst, pt.Silent, refuse("PROVIDER_TIMEOUT", 1)),
		whole:  costing(hurryTotal, pt.Silent, refuse("PROVIDER_TIMEOUT", 1)),
	},
	{
		name: "headers a byte at a time", hurried: true,
		stream: costing(hurryFirst, pt.DrippedHeaders, rescue(1, 1)), whole: costing(hurryTotal, pt.DrippedHeaders, rescue(1, 1)),
	},
	both("endless headers", pt.EndlessHeaders, rescue(2, 1)),
	both("slow first token, in time", pt.SlowFirstToken, pass()).costs(slowness),
	{
		name: "slow first token, too late", hurried: true,
		stream: costing(hurryFirst, pt.SlowFirstToken, rescue(1, 1)), whole: costing(hurryTotal, pt.SlowFirstToken, rescue(1, 1)),
	},
}

var streams = []fault{
	{name: "cut", stream: in(pt.Cut, rescue(1, 1)), whole: in(pt.Cut, rescue(2, 1)), every: true},
	{name: "cut, other provider", stream: in(pt.Cut, rescue(1, 1)), whole: in(pt.Cut, rescue(2, 1)), elsewhere: true},
	{
		name: "cut, no fallback", stream: in(pt.Cut, interrupt(3, 0)), whole: in(pt.Cut, refuse("PROVIDER_UNAVAILABLE", 2)),
		alone: true, every: true,
	},
	streamed("cut within a tool's arguments", in(pt.Cut, rescue(1, 1))).but(withTools, only("openai", "anthropic", "bedrock")),
	{name: "body ends early", stream: in(pt.EndsEarly, rescue(1, 1)), whole: in(pt.EndsEarly, rescue(2, 1))},
	{
		name: "stall", hurried: true, every: true,
		stream: costing(hurryIdle, pt.Stall, rescue(1, 1)), whole: costing(hurryTotal, pt.Stall, rescue(1, 1)),
	},
	{
		name: "stall, no fallback", hurried: true, alone: true, every: true,
		stream: costing(hurryIdle, pt.Stall, interrupt(1, 0)), whole: costing(hurryTotal, pt.Stall, refuse("PROVIDER_TIMEOUT", 1)),
	},
	streamed("stall with signs of life", costing(hurryIdle, pt.Chatter, rescue(1, 1))).but(hurried, only("openai", "anthropic", "gemini")),
	{name: "malformed chunk", stream: in(pt.Malformed, rescue(1, 1)), whole: in(pt.Malformed, rescue(2, 1))},
	streamed("malformed chunk, no fallback", in(pt.Malformed, interrupt(3, 0))).but(alone),
	streamed("torn event", in(pt.Torn, rescue(1, 1))),
	streamed("torn event, no fallback", in(pt.Torn, interrupt(3, 0))).but(alone),
	streamed("noise between events", in(pt.Noise, pass())).but(only("openai", "anthropic", "gemini")),
	streamed("no terminal marker", in(pt.NoDone, pass(), except("gemini", rescue(1, 1)), except("bedrock", rescue(1, 1)))),
	streamed("error in the stream", in(pt.ErrorInStream, rescue(1, 1))).but(everyClient),
	streamed("error in the stream, no fallback", in(pt.ErrorInStream, interrupt(3, 0))).but(alone, everyClient),
	streamed("wrong checksum", in(awstest.BadCRC, rescue(1, 1))).but(only("bedrock")),
}

// recoveries are streams that are cut, with fallbacks that do not make it easy.
// Whole answers are asked for again, so any fallback does.
var recoveries = []fault{
	streamed("cut, fallback says it otherwise", in(pt.Cut, interrupt(1, 1),
		except("anthropic", rescue(1, 2)), except("bedrock", rescue(1, 2)))).but(fallback(pt.Otherwise)),
	streamed("cut, fallback says it otherwise and rejects prefill", in(pt.Cut, interrupt(1, 1),
		except("anthropic", interrupt(3, 4)), except("bedrock", interrupt(3, 4)))).but(fallback(pt.NoPrefill)),
	streamed("cut, fallback is down", in(pt.Cut, interrupt(3, 2))).but(fallback(pt.Unavailable)),
	streamed("cut, fallback is cut too", in(pt.Cut, interrupt(1, 2))).but(fallback(pt.Cut)),
}

var bodies = []fault{
	{name: "50 MB in one piece", heavy: true, stream: in(pt.Large, rescue(1, 1)), whole: in(pt.Large, rescue(1, 1))},
	{name: "endless body", heavy: true, stream: in(pt.Endless, rescue(1, 1)), whole: in(pt.Endless, rescue(1, 1))},
	{name: "endless body, no fallback", heavy: true, stream: in(pt.Endless, interrupt(3, 0)), whole: in(pt.Endless, refuse("PROVIDER_UNAVAILABLE", 1)), alone: true},
	{
		name: "small body that unpacks to 256 MB", heavy: true, whole: in(pt.Bomb, rescue(1, 1)),
		stream: in(pt.Bomb, rescue(1, 1), except("bedrock", rescue(2, 1))), // no stream of events: no more is read of it
	},
	both("gzip, not asked for", pt.Compressed, pass()),
	{name: "gzip, cut", stream: in(pt.GzipCut, rescue(1, 1)), whole: in(pt.GzipCut, rescue(2, 1))},
	both("connection closed behind the answer", pt.Closing, pass()),
	both("connection's end is the body's end", pt.CloseEnded, pass()),
	{name: "connection's end is the body's end, cut", stream: in(pt.ClosedEarly, rescue(1, 1)), whole: in(pt.ClosedEarly, rescue(2, 1))},
}

var oddities = []fault{
	both("byte by byte", pt.Bytewise, pass()).but(everyClient),
	streamed("every odd way to write events at once", in(pt.Awkward, pass())),
	both("parallel tool calls", pt.ParallelTools, pass()).but(withTools, everyClient),
	both("interleaved parallel tool calls", pt.Interleaved, pass()).but(withTools, only("openai"), everyClient),
	both("two candidates", "", pass()).but(withTwo, only("openai", "gemini")),
	{
		name: "two candidates, cut", stream: in(pt.Cut, rescue(1, 1)), whole: in(pt.Cut, rescue(2, 1)),
		ask: forTwo, only: []string{"openai", "gemini"},
	},
	streamed("late usage", in(pt.LateUsage, pass())).costs(slowness),
	streamed("error after 200, throttled", in(awstest.Throttled, rescue(2, 1))).but(only("bedrock")),
}

package converse

import (
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// MediaType is that of a stream.
const MediaType = "application/vnd.amazon.eventstream"

// noBlock is the index of the open block if there is none.
const noBlock = -1

// ChunkEncoder writes the events of one stream to a client. Messages of the
// same format pass through untouched; what was revised or comes from another
// format is written anew, with the unknown members of the message it came in.
type ChunkEncoder struct {
	began   time.Time
	sources []*llmv1.Citation
	usage   *llmv1.Usage
	// started, stopped and reported are set once the message has begun, has
	// ended, and its tokens are written; ended once nothing may follow.
	started, stopped, reported, ended bool
	// open is the block that content goes to, next the one behind all others;
	// thinking is the part that was thinking last.
	open, next, thinking int32
	// markers are of the sources; found are citations that the provider made.
	markers markers
	found   []*llmv1.Citation
}

// NewChunkEncoder begins a stream. How long it takes is counted from now.
func NewChunkEncoder() *ChunkEncoder {
	return &ChunkEncoder{began: time.Now(), open: noBlock, thinking: noBlock}
}

// Sources are the passages that the prompt was given. Those that the text
// refers to by their marker are cited before the message ends.
func (e *ChunkEncoder) Sources(sources []*llmv1.Citation) { e.sources = sources }

// Append writes a chunk as whole messages; nothing if there is nothing to say.
func (e *ChunkEncoder) Append(dst []byte, c *stream.Chunk) []byte {
	switch {
	case e.ended:
		return dst
	case c.Dialect != Dialect || len(c.Native) == 0:
		return e.events(dst, c, nil)
	case c.Revised:
		return e.events(dst, c, c.Native)
	}
	for i := range c.Events {
		dst = e.note(dst, &c.Events[i])
	}
	return append(dst, c.Native...)
}

// note learns from a message that passes through. Only citations are added.
func (e *ChunkEncoder) note(dst []byte, ev *stream.Event) []byte {
	e.started = true
	switch ev.Kind {
	case stream.Text:
		e.markers.add(ev.Delta, e.sources)
		e.at(ev.Index)
	case stream.PartStart, stream.Thinking, stream.ToolArguments:
		e.at(ev.Index)
		if ev.Kind == stream.Thinking || ev.Part.GetThinking() != nil {
			e.thinking = ev.Index
		}
	case stream.PartStop:
		e.open = noBlock
	case stream.Usage:
		e.reported = true
	case stream.Finish:
		dst = e.cite(dst, e.markers.found)
		e.stopped = true
	}
	return dst
}

func (e *ChunkEncoder) at(index int32) {
	e.open, e.next = index, max(e.next, index+1)
}

// events writes each event as a message of its own. native is the message they
// came in, if it was one of this format.
func (e *ChunkEncoder) events(dst []byte, c *stream.Chunk, native []byte) []byte {
	var own *received
	if native != nil {
		if m, ok := receive(native); ok {
			own = &m
		}
	}
	for i := range c.Events {
		ev := &c.Events[i]
		switch {
		case ev.Kind == stream.Error:
			return e.Fail(dst, errs.New(ev.Failure.GetReason(), "%s", ev.Failure.GetMessage()))
		case ev.Candidate != 0: // the format has one answer
		case own != nil && own.is(ev):
			dst = e.renew(dst, ev, own)
			own = nil
		default:
			dst = e.event(dst, ev)
		}
	}
	return dst
}

// event writes one event, if it shows in this format at all.
func (e *ChunkEncoder) event(dst []byte, ev *stream.Event) []byte {
	switch ev.Kind {
	case stream.Start:
		return e.start(dst)
	case stream.PartStart:
		return e.partStart(dst, ev)
	case stream.Text:
		e.markers.add(ev.Delta, e.sources)
		return e.delta(dst, ev, `{"text":`, `}`)
	case stream.Thinking:
		e.thinking = ev.Index
		return e.delta(dst, ev, `{"reasoningContent":{"text":`, `}}`)
	case stream.ToolArguments:
		return e.delta(dst, ev, `{"toolUse":{"input":`, `}}`)
	case stream.PartStop:
		return e.partStop(dst, ev)
	case stream.Usage:
		e.usage = ev.Tokens
	case stream.Finish:
		return e.finish(dst, finishName(ev.Reason, ev.Stop), ev.Stop)
	}
	return dst
}

// finish ends the message, with the citations before; stop is the stop text
// that ended it, if it is known.
func (e *ChunkEncoder) finish(dst []byte, reason, stop string) []byte {
	if e.stopped {
		return dst
	}
	dst = e.close(e.start(dst))
	for _, source := range e.markers.found {
		if !hasMarker(e.found, source.GetMarker()) {
			e.found = append(e.found, source)
		}
	}
	dst = e.cite(dst, e.found)
	e.stopped = true
	mark := len(dst)
	dst = eventstream.Open(dst, "messageStop")
	dst = append(append(append(dst, `{"stopReason":"`...), reason...), '"')
	if stop != "" {
		dst = append(dst, `,"additionalModelResponseFields":{"stop_sequence":`...)
		dst = append(jsonscan.AppendString(dst, stop), '}')
	}
	return eventstream.Close(append(dst, '}'), mark)
}

// Fail ends the stream with an error that the client can read; nothing may
// follow. A policy's block ends it as the format does when a guardrail stops an
// answer.
func (e *ChunkEncoder) Fail(dst []byte, err error) []byte {
	if e.ended {
		return dst
	}
	failure := errs.From(err)
	switch failure.Reason {
	case llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED:
		return e.End(e.finish(dst, "guardrail_intervened", ""))
	case llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED:
		return e.End(e.finish(dst, "content_filtered", ""))
	}
	e.ended = true
	return eventstream.AppendException(dst, streamed(failure), AppendError(nil, failure))
}

// End ends the stream well: with the tokens, if they are known and not written yet.
func (e *ChunkEncoder) End(dst []byte) []byte {
	if e.ended {
		return dst
	}
	e.ended = true
	if e.reported || e.usage == nil {
		return dst
	}
	mark := len(dst)
	dst = eventstream.Open(dst, "metadata")
	dst = append(dst, `{"usage":`...)
	dst = appendUsage(dst, e.usage)
	dst = appendMetrics(dst, time.Since(e.began))
	return eventstream.Close(append(dst, '}'), mark)
}

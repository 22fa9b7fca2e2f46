package responses

import (
	"strconv"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
)

// maxAnswer bounds what a stream keeps of its answer: the last event repeats all of it.
const maxAnswer = 32 << 20

// ChunkEncoder writes the events of one stream to a client.
type ChunkEncoder struct {
	response *Response
	sources  []*llmv1.Citation
	// done gets the response once it is complete; nil if nobody wants it.
	done func(*Response)

	sequence int64
	started  bool
	ended    bool
	finished bool // the candidate has ended
	kept     int
	// open are the items that are being written.
	open []*item
}

// NewChunkEncoder begins the stream of a response; done is told of it when it
// has ended well.
func NewChunkEncoder(r *Response, done func(*Response)) *ChunkEncoder {
	return &ChunkEncoder{response: r, done: done}
}

// Sources are the passages that the prompt was given.
func (e *ChunkEncoder) Sources(sources []*llmv1.Citation) { e.sources = sources }

// Append writes a chunk as whole events.
func (e *ChunkEncoder) Append(dst []byte, c *stream.Chunk) []byte {
	for i := range c.Events {
		if e.ended {
			return dst
		}
		ev := &c.Events[i]
		switch {
		case ev.Kind == stream.Start:
			e.response.model = ev.Model
			dst = e.start(dst)
		case ev.Kind == stream.Usage:
			e.response.usage = ev.Tokens
		case ev.Kind == stream.Error:
			return e.Fail(dst, errs.New(ev.Failure.GetReason(), "%s", ev.Failure.GetMessage()))
		case ev.Candidate == 0 && !e.finished:
			if e.kept += len(ev.Delta); e.kept > maxAnswer {
				return e.Fail(dst, errs.New(llmv1.ErrorReason_ERROR_REASON_OVERLOADED, "the answer is too long for this API"))
			}
			dst = e.event(e.start(dst), ev)
		}
	}
	return dst
}

// start announces the response, once.
func (e *ChunkEncoder) start(dst []byte) []byte {
	if e.started {
		return dst
	}
	e.started = true
	for _, name := range []string{"response.created", "response.in_progress"} {
		dst = e.whole(dst, name)
	}
	return dst
}

// whole writes an event that holds the response.
func (e *ChunkEncoder) whole(dst []byte, name string) []byte {
	dst = e.begin(dst, name)
	dst = append(dst, `,"response":`...)
	dst = e.response.Append(dst)
	return end(dst)
}

// begin writes the head of an event.
func (e *ChunkEncoder) begin(dst []byte, name string) []byte {
	dst = append(dst, "event: "+name+"\ndata: {\"type\":\""+name+`","sequence_number":`...)
	dst = strconv.AppendInt(dst, e.sequence, 10)
	e.sequence++
	return dst
}

func end(dst []byte) []byte { return append(dst, "}\n\n"...) }

// End ends the stream well.
func (e *ChunkEncoder) End(dst []byte) []byte {
	if e.ended {
		return dst
	}
	e.ended = true
	dst = e.closeAll(e.start(dst))
	if !e.finished {
		e.response.end(llmv1.FinishReason_FINISH_REASON_STOP)
	}
	e.response.close()
	if e.done != nil {
		e.done(e.response) // before the client hears of it, who may come back at once
	}
	return e.whole(dst, "response."+e.response.status)
}

// Fail ends the stream with an error. A policy's block ends it as a filter of
// the provider's does.
func (e *ChunkEncoder) Fail(dst []byte, err error) []byte {
	if e.ended {
		return dst
	}
	failure := errs.From(err)
	if failure.Reason == llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED ||
		failure.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED {
		e.finished = true
		e.response.end(llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER)
		return e.End(dst)
	}
	e.ended = true
	if e.started {
		e.response.status, e.response.failure = failed, failure
		e.response.close()
		dst = e.whole(dst, "response.failed")
	}
	// The SDKs take this event, and only this, for an error.
	dst = e.begin(dst, "error")
	dst = append(dst, `,"code":`...)
	dst = jsonscan.AppendString(dst, openai.ErrorCode(failure))
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, failure.Message)
	dst = append(dst, `,"param":null,`...)
	inner := openai.AppendError(nil, failure) // {"error":{…}}
	dst = append(dst, inner[1:len(inner)-1]...)
	return end(dst)
}

package openai

import (
	"bytes"
	"strconv"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// ChunkEncoder writes the events of one stream to a client. Frames of the same
// format pass through untouched; what was revised or comes from another format
// is written anew, with the unknown members of the frame it came in.
type ChunkEncoder struct {
	includeUsage bool
	id, model    string
	created      int64
	candidates   []outgoing
	sources      []*llmv1.Citation
	usage        *llmv1.Usage
	usageSent    bool
	failed       bool
	// native is set once a frame of the same format has come; details, if such
	// frames list their thinking.
	native, details bool
	// chunk counts those written anew.
	chunk int
	// head is the beginning of the frames written anew, up to the choices; before
	// and after are what stood around the choices of the frame it was made from.
	head, before, after []byte
}

// outgoing is what a client has been told of a candidate.
type outgoing struct {
	seen, role, finished bool
	thoughts             int64   // parts of thinking
	thought              int32   // the last of them, counted from 1
	tools                []int32 // part indexes of its tool calls, in order
	extras               int     // the chunk whose unknown members were written
	markers              markers
}

// NewChunkEncoder begins a stream; includeUsage says that the client asked for usage.
func NewChunkEncoder(includeUsage bool) *ChunkEncoder {
	return &ChunkEncoder{includeUsage: includeUsage, created: time.Now().Unix()}
}

// Sources are the passages that the prompt was given. Those that the text
// refers to by their marker are cited before their candidate's finish.
func (e *ChunkEncoder) Sources(sources []*llmv1.Citation) { e.sources = sources }

// Append writes a chunk as whole events; nothing if there is nothing to say.
func (e *ChunkEncoder) Append(dst []byte, c *stream.Chunk) []byte {
	if e.failed {
		return dst
	}
	if c.Dialect != Dialect || len(c.Native) == 0 {
		return e.events(dst, c, nil)
	}
	e.native = true
	if c.Revised {
		return e.events(dst, c, c.Native)
	}
	dst = e.note(dst, c)
	native := c.Native
	if e.includeUsage {
		return appendEvent(dst, native)
	}
	if !bytes.Contains(native, []byte(`"usage"`)) {
		return appendEvent(dst, native)
	}
	return appendWithoutUsage(dst, native)
}

// appendEvent writes data as one event. A line break in it needs a new line.
func appendEvent(dst, data []byte) []byte {
	dst = append(dst, "data: "...)
	for {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			break
		}
		dst = append(dst, data[:i+1]...)
		dst = append(dst, "data: "...)
		data = data[i+1:]
	}
	dst = append(dst, data...)
	return append(dst, "\n\n"...)
}

// appendWithoutUsage writes a frame without a usage that the client did not
// ask for, and nothing at all if there was nothing else in it.
func appendWithoutUsage(dst, native []byte) []byte {
	s := newScanner(native)
	var usage jsonscan.Span
	from, null, choices := 0, false, false
	for s.Open('{'); s.Next('}'); {
		start := s.At
		switch string(s.Key()) {
		case "usage":
			from = start
			null = s.Peek() == 'n'
			usage = s.Skip()
		case "choices":
			v := s.Skip()
			choices = bytes.IndexByte(native[v.Start:v.End], '{') >= 0
		default:
			s.Skip()
		}
	}
	switch {
	case s.Err != nil || usage.End == 0:
		return appendEvent(dst, native)
	case !choices && !null:
		return dst
	}
	// The member goes with the comma before it, or behind it if it is the first.
	before := bytes.TrimRight(native[:from], " \t\r\n")
	after := native[usage.End:]
	if before[len(before)-1] == ',' {
		before = before[:len(before)-1]
	} else if rest := bytes.TrimLeft(after, " \t\r\n"); len(rest) > 0 && rest[0] == ',' {
		after = rest[1:]
	}
	mark := len(dst)
	dst = appendEvent(dst, before)
	dst = dst[:len(dst)-2]
	if bytes.IndexByte(after, '\n') >= 0 { // rare: join, then split again
		joined := append(append([]byte(nil), before...), after...)
		return appendEvent(dst[:mark], joined)
	}
	dst = append(dst, after...)
	return append(dst, "\n\n"...)
}

// note learns from a frame that passes through. Only citations are added to it,
// in a frame of their own.
func (e *ChunkEncoder) note(dst []byte, c *stream.Chunk) []byte {
	for i := range c.Events {
		ev := &c.Events[i]
		switch ev.Kind {
		case stream.Start:
			e.id, e.model = ev.ID, ev.Model
			continue
		case stream.Usage:
			e.usage, e.usageSent = ev.Tokens, true
			continue
		case stream.Text:
			e.out(ev.Candidate).markers.add(ev.Delta, e.sources)
		case stream.Finish:
			if e.out(ev.Candidate).markers.uncited() {
				e.begin(nil)
				dst = e.cite(dst, ev.Candidate)
			}
			e.out(ev.Candidate).finished = true
		case stream.PartStart:
			if ev.Part.GetToolCall() != nil {
				e.out(ev.Candidate).tool(ev.Index)
			}
		case stream.PartStop:
			if len(ev.Citations) > 0 && !bytes.Contains(c.Native, []byte(`"annotations"`)) {
				e.begin(nil)
				dst = e.citeAll(dst, ev)
			}
		}
		o := e.out(ev.Candidate)
		o.seen, o.role = true, true
	}
	return dst
}

// cite writes the citations of a candidate in a frame of their own.
func (e *ChunkEncoder) cite(dst []byte, candidate int32) []byte {
	dst, from := e.beginCitations(dst, candidate)
	dst = e.out(candidate).markers.appendUncited(dst)
	return splitLines(append(dst, `},"finish_reason":null}]}`...), from)
}

// citeAll writes the citations of a text that ends in a frame that does not
// hold them in this form.
func (e *ChunkEncoder) citeAll(dst []byte, ev *stream.Event) []byte {
	dst, from := e.beginCitations(dst, ev.Candidate)
	dst = e.out(ev.Candidate).markers.appendKnown(dst, ev.Citations)
	return splitLines(append(dst, `},"finish_reason":null}]}`...), from)
}

func (e *ChunkEncoder) beginCitations(dst []byte, candidate int32) (_ []byte, from int) {
	dst = append(dst, "data: "...)
	from = len(dst)
	dst = append(dst, e.head...)
	dst = append(dst, `"choices":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(candidate), 10)
	return append(dst, `,"delta":{"annotations":`...), from
}

func (e *ChunkEncoder) out(candidate int32) *outgoing {
	candidate = min(max(candidate, 0), maxCandidates-1)
	for len(e.candidates) <= int(candidate) {
		e.candidates = append(e.candidates, outgoing{})
	}
	return &e.candidates[candidate]
}

// tool returns the client's index of a tool call, which counts calls, not parts.
func (o *outgoing) tool(part int32) int64 {
	for i, p := range o.tools {
		if p == part {
			return int64(i)
		}
	}
	o.tools = append(o.tools, part)
	return int64(len(o.tools) - 1)
}

// Fail ends the stream with an error that the client can read; nothing may follow.
// A policy's block ends it as the format does when a filter stops an answer.
func (e *ChunkEncoder) Fail(dst []byte, err error) []byte {
	if e.failed {
		return dst
	}
	failure := errs.From(err)
	if failure.Reason == llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED ||
		failure.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED {
		return e.End(e.filtered(dst))
	}
	e.failed = true
	dst = append(dst, "data: "...)
	dst = AppendError(dst, failure)
	return append(dst, "\n\n"...)
}

// filtered ends every open candidate with the reason content_filter.
func (e *ChunkEncoder) filtered(dst []byte) []byte {
	e.out(0)
	e.begin(nil)
	for i := range e.candidates {
		if !e.candidates[i].finished {
			ev := stream.Event{
				Kind: stream.Finish, Candidate: int32(i), // bounded by out
				Reason: llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER,
			}
			dst = e.event(dst, &ev, nil)
		}
	}
	return dst
}

// End ends the stream well: usage, if the client wants it and has not seen it,
// and the terminal event.
func (e *ChunkEncoder) End(dst []byte) []byte {
	if e.failed {
		return dst
	}
	e.failed = true // nothing may follow this either
	if e.includeUsage && !e.usageSent && e.usage != nil {
		e.begin(nil)
		dst = append(dst, "data: "...)
		dst = append(dst, e.head...)
		dst = append(dst, `"choices":[],"usage":`...)
		dst = appendUsage(dst, e.usage)
		dst = append(dst, "}\n\n"...)
	}
	return append(dst, "data: "+sse.Done+"\n\n"...)
}

// begin writes the head of the frames: the members of the frame that events
// came in, or our own. It returns the choices of that frame.
func (e *ChunkEncoder) begin(native []byte) []byte {
	if choices, ok := e.sameAround(native); ok {
		return choices
	}
	e.head, e.before, e.after = append(e.head[:0], '{'), e.before[:0], e.after[:0]
	if native != nil {
		if choices, ok := e.headOf(native); ok {
			return choices
		}
		e.head = e.head[:1]
	}
	e.head = append(e.head, `"id":`...)
	e.head = jsonscan.AppendString(e.head, e.id)
	e.head = append(e.head, `,"object":"chat.completion.chunk","created":`...)
	e.head = strconv.AppendInt(e.head, e.created, 10)
	e.head = append(e.head, `,"model":`...)
	e.head = jsonscan.AppendString(e.head, e.model)
	e.head = append(e.head, ',')
	return nil
}

// sameAround says whether a frame differs from the one before in its choices
// only, as most do: then the head can stay.
func (e *ChunkEncoder) sameAround(native []byte) (choices []byte, ok bool) {
	end := len(native) - len(e.after)
	if len(e.before) == 0 || end < len(e.before) || !bytes.HasPrefix(native, e.before) || !bytes.HasSuffix(native, e.after) {
		return nil, false
	}
	s := newScanner(native[len(e.before):end])
	at := s.Skip()
	if s.Finish() != nil { // more than one value
		return nil, false
	}
	return s.Data[at.Start:at.End], true
}

// headOf takes the members of a frame into the head, but for its choices and usage.
func (e *ChunkEncoder) headOf(native []byte) (choices []byte, ok bool) {
	s := newScanner(native)
	var at jsonscan.Span
	times := 0
	for s.Open('{'); s.Next('}'); {
		start := s.At
		switch string(s.Key()) {
		case "choices":
			at = s.Skip()
			times++
		case "usage":
			s.Skip()
		default:
			s.Skip()
			if s.Err == nil {
				e.head = append(e.head, native[start:s.At]...)
				e.head = append(e.head, ',')
			}
		}
	}
	if s.Err != nil {
		return nil, false
	}
	if times == 1 {
		e.before = append(e.before, native[:at.Start]...)
		e.after = append(e.after, native[at.End:]...)
	}
	return native[at.Start:at.End], true
}

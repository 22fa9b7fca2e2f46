package openai

import (
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// maxPartsStreamed is the most parts of one candidate of a stream.
const maxPartsStreamed = 4096

var (
	errLate  = errors.New("content behind the finish")
	errCount = errors.New("more candidates or parts than the format allows")
)

// ChunkDecoder reads the chunks of one stream. It keeps what a chunk does not
// say again: which parts are open. At steady state it does not allocate.
type ChunkDecoder struct {
	scanner
	candidates []candidate
	started    bool
	id, model  jsonscan.Token
	events     []stream.Event
	usage      *llmv1.Usage
	failure    error
	// text holds unescaped deltas of the current chunk.
	text []byte
	// held is what of the current delta waits for the rest of its thinking.
	held held
	// web is what the stream lists of its sources, as far as it has come; stops
	// are the events of the current chunk that end a text.
	web   keptSources
	stops []int
	// reshaped is set if the chunk holds text in a form that cannot be passed on.
	reshaped bool
}

// candidate is the state of one answer of the stream.
type candidate struct {
	seen, finished, refusal bool
	// open is the kind of the open part, if it is not a tool call.
	open  stream.Kind
	part  int32 // index of the open part
	next  int32 // index of the next part
	tools []openTool
	// citations of the open text.
	citations []*llmv1.Citation
	// detail is the number, from 1, of the open thinking in the provider's list;
	// 0 if it has none. signature is that of the open thinking.
	detail    int64
	signature string
}

// openTool is a tool call whose arguments may go on.
type openTool struct {
	index int64 // as the provider counts
	part  int32
	id    string
	// signature of the thinking behind the call, if it came late.
	signature string
}

// Decode reads one frame into c, which it resets first. Deltas and Native share
// memory with data or the decoder; they are valid until the next call. The
// frame that ends the stream gives io.EOF.
func (d *ChunkDecoder) Decode(data []byte, c *stream.Chunk) error {
	if string(data) == sse.Done {
		return io.EOF
	}
	c.Native = nil // it is not the chunk's own memory
	c.Reset()
	d.scanner = newScanner(data)
	d.events, d.text = c.Events, d.text[:0]
	d.usage, d.failure, d.reshaped, d.stops = nil, nil, false, d.stops[:0]
	d.id, d.model = jsonscan.Token{}, jsonscan.Token{}
	choices := d.frame()
	if err := d.scanner.Finish(); err != nil {
		return refusal.Unreadable(err)
	}
	if d.failure != nil {
		return d.failure
	}
	d.web.cite(d.events, d.stops)
	if d.usage != nil {
		d.events = append(d.events, stream.Event{Kind: stream.Usage, Tokens: d.usage})
	}
	if !d.started && (choices || d.id.End > d.id.Start) {
		d.started = true
		d.events = slices.Insert(d.events, 0, stream.Event{
			Kind: stream.Start, ID: string(d.plain(d.id)), Model: string(d.plain(d.model)),
		})
	}
	c.Events, c.Native, c.Dialect, c.Revised = d.events, data, Dialect, d.reshaped
	return nil
}

// Finished says whether every candidate has ended; want is how many were asked for.
func (d *ChunkDecoder) Finished(want int) bool {
	if len(d.candidates) < max(want, 1) {
		return false
	}
	for i := range d.candidates {
		if !d.candidates[i].finished {
			return false
		}
	}
	return true
}

// Started says whether anything of an answer has come.
func (d *ChunkDecoder) Started() bool { return d.started }

// frame reads the top level; it says whether there were choices.
func (d *ChunkDecoder) frame() (choices bool) {
	var sources webSources
	for d.Open('{'); d.Next('}'); {
		switch string(d.Key()) {
		case "choices":
			choices = d.choices()
		case "usage":
			d.usage = d.scanner.usage()
		case "id":
			d.id = d.OptionalText()
		case "model":
			d.model = d.OptionalText()
		case "citations":
			sources.urls = d.Skip()
		case "search_results":
			sources.results = d.Skip()
		case "error":
			d.failure = d.errorObject(200)
		default:
			d.Skip()
		}
	}
	if d.Err == nil {
		d.web.keep(d.Data, sources)
	}
	return choices
}

// plain returns a string's text: a part of the data, or of the decoder's buffer.
func (d *ChunkDecoder) plain(t jsonscan.Token) []byte {
	in := d.Inner(t)
	if !t.Escaped && utf8.Valid(in) {
		return in
	}
	from := len(d.text)
	if t.Escaped {
		d.text = jsonscan.AppendUnescaped(d.text, in)
	} else {
		d.text = append(d.text, in...)
	}
	if !utf8.Valid(d.text[from:]) {
		d.text = append(d.text[:from], string([]rune(string(d.text[from:])))...)
	}
	return d.text[from:len(d.text):len(d.text)]
}

func (d *ChunkDecoder) choices() bool {
	if d.Peek() != '[' {
		d.Skip()
		return false
	}
	some := false
	for d.Open('['); d.Next(']'); {
		some = true
		if d.Peek() != '{' {
			d.Fail(jsonscan.ErrSyntax)
			return false
		}
		d.choice()
	}
	return some
}

// choice reads one candidate's news. Its index may stand behind its delta.
func (d *ChunkDecoder) choice() {
	var index int64
	var known bool
	var delta, finish jsonscan.Span
	var stop jsonscan.Token
	var pausing bool
	for d.Open('{'); d.Next('}'); {
		switch string(d.Key()) {
		case "index":
			index, known = d.Integer()
		case "delta":
			if delta = (jsonscan.Span{Start: d.ValueStart(), End: 0}); known {
				d.deltaOf(index)
			} else {
				d.Skip()
				delta.End = d.At
			}
		case "finish_reason":
			finish = d.Skip()
		case "stop_reason":
			stop = d.OptionalText()
		case "native_finish_reason":
			pausing = paused(d.Inner(d.OptionalText()))
		default:
			d.Skip()
		}
	}
	if d.Err != nil {
		return
	}
	if delta.End > 0 { // not read yet
		behind := d.At
		d.At = delta.Start
		d.deltaOf(index)
		if d.Err == nil {
			d.At = behind
		}
	}
	if finish.End-finish.Start > 2 && d.Data[finish.Start] == '"' {
		reason := finishReason(d.Data[finish.Start+1 : finish.End-1])
		if pausing && reason == llmv1.FinishReason_FINISH_REASON_LENGTH {
			reason = llmv1.FinishReason_FINISH_REASON_PAUSE
		}
		d.finishOf(index, reason, string(d.plain(stop)))
	} else {
		d.candidate(index)
	}
}

// candidate returns the state of a candidate; nil if there are too many.
func (d *ChunkDecoder) candidate(index int64) *candidate {
	if index < 0 || index >= maxCandidates {
		d.Fail(errCount)
		return nil
	}
	for int64(len(d.candidates)) <= index {
		d.candidates = append(d.candidates, candidate{})
	}
	c := &d.candidates[index]
	c.seen = true
	return c
}

func (d *ChunkDecoder) finishOf(index int64, reason llmv1.FinishReason, stop string) {
	c := d.candidate(index)
	if c == nil || c.finished {
		return
	}
	n := int32(index) // bounded by candidate
	d.stop(c, n)
	for _, tool := range c.tools {
		d.events = append(d.events, stream.Event{Kind: stream.PartStop, Candidate: n, Index: tool.part, Signature: tool.signature})
	}
	c.finished = true
	d.events = append(d.events, stream.Event{Kind: stream.Finish, Candidate: n, Reason: refused(reason, c.refusal), Stop: stop})
}

// stop ends the open part that is not a tool call.
func (d *ChunkDecoder) stop(c *candidate, index int32) {
	if c.open == 0 {
		return
	}
	if c.open == stream.Text && len(c.citations) == 0 {
		d.stops = append(d.stops, len(d.events))
	}
	d.events = append(d.events, stream.Event{
		Kind: stream.PartStop, Candidate: index, Index: c.part, Citations: c.citations, Signature: c.signature,
	})
	c.open, c.citations, c.signature = 0, nil, ""
}

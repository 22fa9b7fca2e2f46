package anthropic

import (
	"errors"
	"io"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// maxBlocksStreamed is the most blocks of one stream.
const maxBlocksStreamed = 4096

var (
	errLate    = errors.New("content behind the end of its block or of the answer")
	errOrder   = errors.New("a block begins twice or never")
	errCount   = errors.New("more blocks than the format allows")
	errNoStart = errors.New("content before the message begins")
)

// ChunkDecoder reads the events of one stream. It keeps which blocks are open.
// At steady state it does not allocate.
type ChunkDecoder struct {
	scanner
	blocks            []openBlock
	next              int32 // index of the next part
	counts            counts
	started, finished bool
	events            []stream.Event
	// text holds unescaped deltas of the current frame.
	text []byte
	// What the current frame holds.
	kind                  jsonscan.Token
	index                 int64
	message, block, delta jsonscan.Span
	counted               bool
	failure               error
}

// openBlock is the state of a block.
type openBlock struct {
	kind         kind
	begun, ended bool
	part         int32
	argued       bool // arguments have come
	signature    []byte
	citations    []*llmv1.Citation
}

// Decode reads one frame into c, which it resets first. Deltas and Native share
// memory with data or the decoder; they are valid until the next call. The
// frame that ends the stream gives io.EOF.
func (d *ChunkDecoder) Decode(data []byte, c *stream.Chunk) error {
	c.Native = nil // it is not the chunk's own memory
	c.Reset()
	d.scanner = newScanner(data)
	d.events, d.text = c.Events, d.text[:0]
	d.kind, d.index = jsonscan.Token{}, -1
	d.message, d.block, d.delta = jsonscan.Span{}, jsonscan.Span{}, jsonscan.Span{}
	d.counted, d.failure = false, nil
	d.frame()
	if err := d.scanner.Finish(); err != nil {
		return refusal.Unreadable(err)
	}
	if d.failure != nil {
		return d.failure
	}
	end, err := d.read()
	if err == nil {
		err = d.Err
	}
	switch {
	case err != nil:
		return refusal.Unreadable(err)
	case end:
		return io.EOF
	}
	c.Events = d.events
	if string(d.Inner(d.kind)) != messageStop { // that one is the encoder's to write, last of all
		c.Native, c.Dialect = data, Dialect
	}
	return nil
}

// Finished says whether the answer has ended; the format has one.
func (d *ChunkDecoder) Finished(int) bool { return d.finished }

// Started says whether anything of an answer has come.
func (d *ChunkDecoder) Started() bool { return d.started }

// frame notes where the members of a frame stand: its type may come last.
func (d *ChunkDecoder) frame() {
	for d.Open('{'); d.Next('}'); {
		switch string(d.Key()) {
		case "type":
			d.kind = d.OptionalText()
		case "index":
			if n, ok := d.Integer(); ok {
				d.index = n
			}
		case "message":
			d.message = d.Skip()
		case "content_block":
			d.block = d.Skip()
		case "delta":
			d.delta = d.Skip()
		case "usage":
			d.counted = d.usage(&d.counts) || d.counted
		case "error":
			d.failure = d.errorObject(200)
		default:
			d.Skip()
		}
	}
}

// read makes events of a frame. Frames of other types say nothing here.
func (d *ChunkDecoder) read() (end bool, err error) {
	switch kind := d.Inner(d.kind); string(kind) {
	case "message_start":
		d.start()
	case "content_block_start":
		return false, d.begin()
	case "content_block_delta":
		return false, d.more()
	case "content_block_stop":
		return false, d.stop()
	case "message_delta":
		return false, d.ending()
	case "message_stop":
		return d.whole()
	}
	return false, nil
}

// whole is the end of the message. One whose reason never came has ended all
// the same: it was finished, or its provider would not say so. Its end is told
// first; the end of the body follows.
func (d *ChunkDecoder) whole() (end bool, err error) {
	if d.finished || !d.started {
		return true, nil
	}
	d.finish(llmv1.FinishReason_FINISH_REASON_STOP, "")
	return false, nil
}

// finish ends the answer, and the blocks that are still open before it.
func (d *ChunkDecoder) finish(reason llmv1.FinishReason, stop string) {
	for i := range d.blocks {
		if b := &d.blocks[i]; b.begun && !b.ended {
			d.close(b)
		}
	}
	d.finished = true
	d.events = append(d.events, stream.Event{Kind: stream.Finish, Reason: reason, Stop: stop})
}

// within enters an object of the frame.
func (d *ChunkDecoder) within(at jsonscan.Span) bool {
	if at.End == 0 || d.Data[at.Start] != '{' {
		return false
	}
	d.At = at.Start
	return d.Open('{')
}

func (d *ChunkDecoder) start() {
	if d.started || !d.within(d.message) {
		return
	}
	var id, model jsonscan.Token
	for d.Next('}') {
		switch string(d.Key()) {
		case "id":
			id = d.OptionalText()
		case "model":
			model = d.OptionalText()
		case "usage":
			d.counted = d.usage(&d.counts) || d.counted
		default:
			d.Skip()
		}
	}
	d.started = true
	d.events = append(d.events, stream.Event{Kind: stream.Start, ID: string(d.plain(id)), Model: string(d.plain(model))})
	d.report()
}

// report tells the counts so far, if the frame had any.
func (d *ChunkDecoder) report() {
	if d.counted {
		d.events = append(d.events, stream.Event{Kind: stream.Usage, Tokens: d.counts.canonical()})
	}
}

// ending reads why the answer ends.
func (d *ChunkDecoder) ending() error {
	if !d.started {
		return errNoStart
	}
	d.report()
	if d.finished || !d.within(d.delta) {
		return nil
	}
	var reason jsonscan.Token
	var stop jsonscan.Token
	for d.Next('}') {
		switch string(d.Key()) {
		case "stop_reason":
			reason = d.OptionalText()
		case "stop_sequence":
			stop = d.OptionalText()
		default:
			d.Skip()
		}
	}
	if reason.Start == 0 || d.Err != nil {
		return nil
	}
	d.finish(finishReason(d.Inner(reason)), string(d.plain(stop)))
	return nil
}

// plain returns a string's text: a part of the data, or of the decoder's buffer.
func (d *ChunkDecoder) plain(t jsonscan.Token) []byte {
	if t.Start == 0 {
		return nil
	}
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

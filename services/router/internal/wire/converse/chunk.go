package converse

import (
	"errors"
	"unicode/utf8"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// maxBlocksStreamed is the most blocks of one stream.
const maxBlocksStreamed = 4096

// maxRedacted bounds what is kept of encrypted thinking until its block ends.
const maxRedacted = 4 << 20

var (
	errLate  = errors.New("content behind the end of the message")
	errCount = errors.New("more blocks than the format allows, or one without its index")
)

// ChunkDecoder reads the messages of one stream. At steady state it does not
// allocate.
type ChunkDecoder struct {
	jsonscan.Scanner
	blocks   []block
	started  bool
	finished bool
	events   []stream.Event
	// buffer holds unescaped deltas of the current message.
	buffer []byte
	// withheld is set if the message holds content that is not known: nobody
	// has looked at it, so it is not passed on.
	withheld bool
	// message is the one that is read. It is kept if it is a piece of a block of
	// which a client gets all or nothing; whole are the pieces of those that it ends.
	message, whole []byte
	kept           bool
}

// block is the state of one block of content.
type block struct {
	index     int32
	kind      stream.Kind
	open      bool
	signature []byte
	citations []*llmv1.Citation
	// redacted is encrypted thinking, of which a part is worth nothing. If the
	// stream breaks off within it, another provider's answer goes on without it,
	// so a client must not have got any. pieces are the messages that it came in,
	// mixed says that they hold something else too.
	redacted, pieces []byte
	mixed            bool
}

// Started says whether anything of an answer has come.
func (d *ChunkDecoder) Started() bool { return d.started }

// Finished says whether the answer has ended. What comes behind the end of the
// message only reports, and the end of the body ends the stream.
func (d *ChunkDecoder) Finished(int) bool { return d.finished }

// Decode reads one message into c, which it resets first. Deltas and Native
// share memory with raw or the decoder; they are valid until the next call. No
// message ends the stream.
func (d *ChunkDecoder) Decode(raw []byte, c *stream.Chunk) error {
	c.Native = nil // it is not the chunk's own memory
	c.Reset()
	m, err := eventstream.Parse(raw)
	if err != nil {
		return refusal.Unreadable(err)
	}
	d.Scanner = jsonscan.Scanner{Data: m.Payload}
	d.events, d.buffer, d.withheld = c.Events, d.buffer[:0], false
	d.message, d.whole, d.kept = raw, d.whole[:0], false
	switch m.Kind {
	case eventstream.Event:
		d.event(m.Type)
	case eventstream.Exception, eventstream.Failure:
		return DecodeException(m)
	default:
		return nil // of no event that we know
	}
	if d.Err == nil {
		_ = d.Finish()
	}
	if d.Err != nil {
		return refusal.Unreadable(d.Err)
	}
	c.Events = d.events
	if !d.kept {
		c.Native, c.Dialect, c.Revised = d.native(), Dialect, d.withheld
	}
	return nil
}

// native is the message, behind those that were kept until now.
func (d *ChunkDecoder) native() []byte {
	if len(d.whole) == 0 {
		return d.message
	}
	d.whole = append(d.whole, d.message...)
	return d.whole
}

func (d *ChunkDecoder) emit(e stream.Event) { d.events = append(d.events, e) }

// event reads the payload of an event.
func (d *ChunkDecoder) event(kind []byte) {
	switch string(kind) {
	case "messageStart":
		d.skipObject()
		if !d.started {
			d.started = true
			d.emit(stream.Event{Kind: stream.Start})
		}
	case "contentBlockStart":
		d.start()
	case "contentBlockDelta":
		d.delta()
	case "contentBlockStop":
		if b := d.of(d.readIndex()); b != nil {
			d.close(b)
		}
	case "messageStop":
		d.stop()
	case "metadata":
		d.metadata()
	default: // its payload need not even be JSON
		d.At, d.withheld = len(d.Data), true
	}
}

func (d *ChunkDecoder) skipObject() {
	for d.Open('{'); d.Next('}'); {
		d.Key()
		d.Skip()
	}
}

func (d *ChunkDecoder) readIndex() int64 {
	index := int64(-1)
	for d.Open('{'); d.Next('}'); {
		if string(d.Key()) == "contentBlockIndex" {
			index, _ = d.Integer()
			continue
		}
		d.Skip()
	}
	return index
}

// of returns the state of a block; nil behind a fault.
func (d *ChunkDecoder) of(index int64) *block {
	switch {
	case d.Err != nil:
		return nil
	case d.finished:
		d.Fail(errLate)
		return nil
	case index < 0 || index >= maxBlocksStreamed:
		d.Fail(errCount)
		return nil
	}
	for i := len(d.blocks) - 1; i >= 0; i-- {
		if int64(d.blocks[i].index) == index {
			return &d.blocks[i]
		}
	}
	d.started = true
	d.blocks = append(d.blocks, block{index: int32(index)}) // bounded above
	return &d.blocks[len(d.blocks)-1]
}

// start begins a block. Only a tool call says something at its beginning.
func (d *ChunkDecoder) start() {
	index, known := int64(-1), false
	var id, name jsonscan.Token
	for d.Open('{'); d.Next('}'); {
		switch key := string(d.Key()); {
		case key == "contentBlockIndex":
			index, _ = d.Integer()
		case key == "start" && d.Peek() == '{':
			for d.Open('{'); d.Next('}'); {
				if string(d.Key()) != "toolUse" || d.Peek() != '{' {
					d.withheld = true
					d.Skip()
					continue
				}
				known = true
				for d.Open('{'); d.Next('}'); {
					switch string(d.Key()) {
					case "toolUseId":
						id = d.OptionalText()
					case "name":
						name = d.OptionalText()
					default:
						d.Skip()
					}
				}
			}
		default:
			d.Skip()
		}
	}
	b := d.of(index)
	if b == nil || !known {
		return
	}
	b.kind, b.open = stream.ToolArguments, true
	call := &llmv1.ToolCall{Id: string(d.plain(id)), Name: string(d.plain(name))}
	d.emit(stream.Event{Kind: stream.PartStart, Index: b.index, Part: &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: call}}})
}

// plain returns a string's text: a part of the message, or of the decoder's buffer.
func (d *ChunkDecoder) plain(t jsonscan.Token) []byte {
	in := d.Inner(t)
	if !t.Escaped && utf8.Valid(in) {
		return in
	}
	from := len(d.buffer)
	if t.Escaped {
		d.buffer = jsonscan.AppendUnescaped(d.buffer, in)
	} else {
		d.buffer = append(d.buffer, in...)
	}
	if !utf8.Valid(d.buffer[from:]) {
		d.buffer = append(d.buffer[:from], string([]rune(string(d.buffer[from:])))...)
	}
	return d.buffer[from:len(d.buffer):len(d.buffer)]
}

// close ends a block, with what was gathered until then.
func (d *ChunkDecoder) close(b *block) {
	if !b.open {
		return
	}
	if len(b.redacted) > 0 {
		d.whole, d.withheld = append(d.whole, b.pieces...), d.withheld || b.mixed
		thought := &llmv1.Thinking{Redacted: decode(string(b.redacted))}
		d.emit(stream.Event{Kind: stream.PartStart, Index: b.index, Part: &llmv1.Part{Content: &llmv1.Part_Thinking{Thinking: thought}}})
	}
	d.emit(stream.Event{Kind: stream.PartStop, Index: b.index, Signature: string(b.signature), Citations: b.citations})
	*b = block{index: b.index}
}

// stop ends the message.
func (d *ChunkDecoder) stop() {
	var reason, text jsonscan.Token
	for d.Open('{'); d.Next('}'); {
		switch key := string(d.Key()); {
		case key == "stopReason":
			reason = d.OptionalText()
		case key == "additionalModelResponseFields" && d.Peek() == '{':
			for d.Open('{'); d.Next('}'); {
				if string(d.Key()) == "stop_sequence" {
					text = d.OptionalText()
					continue
				}
				d.Skip()
			}
		default:
			d.Skip()
		}
	}
	if d.Err != nil || d.finished {
		return
	}
	for i := range d.blocks {
		d.close(&d.blocks[i])
	}
	d.started, d.finished = true, true
	d.emit(stream.Event{Kind: stream.Finish, Reason: finishReason(d.Inner(reason)), Stop: string(d.plain(text))})
}

func (d *ChunkDecoder) metadata() {
	for d.Open('{'); d.Next('}'); {
		if string(d.Key()) != "usage" {
			d.Skip()
			continue
		}
		if u := readUsage(&d.Scanner); u != nil {
			d.emit(stream.Event{Kind: stream.Usage, Tokens: u})
		}
	}
}

// begin opens a block for a kind of delta, if it is not open yet.
func (d *ChunkDecoder) begin(b *block, kind stream.Kind) {
	if b.open && b.kind == kind {
		return
	}
	d.close(b)
	b.open, b.kind = true, kind
}

// grow appends what must be kept of a block, within bounds.
func (d *ChunkDecoder) grow(dst, more []byte) []byte {
	if len(dst)+len(more) > maxRedacted {
		d.Fail(errCount)
		return dst
	}
	return append(dst, more...)
}

package anthropic

import (
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// The types of events.
const (
	messageStart = "message_start"
	blockStart   = "content_block_start"
	blockDelta   = "content_block_delta"
	blockStop    = "content_block_stop"
	messageDelta = "message_delta"
	messageStop  = "message_stop"
	ping         = "ping"
)

// nativeFrame is what the encoder has to know of a provider's frame.
type nativeFrame struct {
	data  []byte
	kind  string
	index int64
	at    jsonscan.Span // of the index
	delta jsonscan.Span
	block jsonscan.Span
	// reason is where the reason of the end stands; finishes says that there is one.
	reason   jsonscan.Span
	finishes bool
}

// read reads a frame; false if it cannot be passed on.
func (f *nativeFrame) read(data []byte) bool {
	*f = nativeFrame{data: data, index: -1}
	s := newScanner(data)
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "type":
			f.kind = nameOf(s.Inner(s.OptionalText()))
		case "index":
			f.at.Start = s.ValueStart()
			if n, ok := s.Integer(); ok {
				f.index, f.at.End = n, s.At
			}
		case "delta":
			f.delta = s.Skip()
		case "content_block":
			f.block = s.Skip()
		default:
			s.Skip()
		}
	}
	if s.Finish() != nil || f.kind == "" {
		return false
	}
	if f.kind == messageDelta {
		f.readReason()
	}
	return true
}

// nameOf returns a type without an allocation, if it is a known one.
func nameOf(kind []byte) string {
	switch string(kind) {
	case blockDelta:
		return blockDelta
	case blockStart:
		return blockStart
	case blockStop:
		return blockStop
	case messageStart:
		return messageStart
	case messageDelta:
		return messageDelta
	case ping:
		return ping
	default:
		return string(kind)
	}
}

// ofBlock says whether the frame belongs to a block.
func (f *nativeFrame) ofBlock() bool {
	return f.kind == blockDelta || f.kind == blockStart || f.kind == blockStop
}

func (f *nativeFrame) readReason() {
	if f.delta.End == 0 || f.data[f.delta.Start] != '{' {
		return
	}
	s := newScanner(f.data)
	s.At = f.delta.Start
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) == "stop_reason" {
			f.reason = s.Skip()
			f.finishes = f.data[f.reason.Start] == '"'
			continue
		}
		s.Skip()
	}
}

// bare says whether the beginning of a block holds none of its text, as is usual.
func (f *nativeFrame) bare() bool {
	if f.block.End == 0 || f.data[f.block.Start] != '{' {
		return false
	}
	s := newScanner(f.data)
	s.At = f.block.Start
	var b answerBlock
	s.block(&b)
	if s.Err != nil || b.text.End > b.text.Start || b.thinking.End > b.thinking.Start {
		return false
	}
	if b.input.End == 0 {
		return true
	}
	in := newScanner(f.data[b.input.Start:b.input.End])
	return in.Peek() == '{' && in.Open('{') && !in.Next('}')
}

// appendExtras writes the members that the format does not know, each with a
// comma before it.
func (f *nativeFrame) appendExtras(dst []byte) []byte {
	s := newScanner(f.data)
	for s.Open('{'); s.Next('}'); {
		start := s.At
		switch string(s.Key()) {
		case "type", "index", "delta", "content_block", "message", "usage":
			s.Skip()
		default:
			s.Skip()
			dst = append(append(dst, ','), f.data[start:s.At]...)
		}
	}
	return dst
}

package eventstream

import "encoding/binary"

// Kind says what a message is.
type Kind uint8

// The kinds of messages.
const (
	// Unknown is a message of a kind that we do not know.
	Unknown Kind = iota
	// Event is a step of the answer.
	Event
	// Exception is a failure that the API's model names; the payload describes it.
	Exception
	// Failure is one that it does not name; the payload is empty.
	Failure
)

// Message is a message in its parts. They share memory with the raw message.
type Message struct {
	Kind Kind
	// Type is the event's type, the exception's, or the failure's code.
	Type []byte
	// Payload is the body, mostly JSON.
	Payload []byte
}

// Types of header values. A value of a type that has no row here has a length
// of its own in two bytes before it.
const (
	typeBytes  = 6
	typeString = 7
)

// fixed are the sizes of the values whose type says it: true, false, byte,
// short, integer, long, then timestamp and UUID.
var fixed = [...]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, typeBytes: -1, typeString: -1, 8: 8, 9: 16}

// Parse takes a message apart. It looks at no checksum: a Reader has done so.
func Parse(raw []byte) (Message, error) {
	if len(raw) < leastSize || len(raw) > maxMessage || uint64(binary.BigEndian.Uint32(raw)) != uint64(len(raw)) {
		return Message{}, ErrSize
	}
	size := binary.BigEndian.Uint32(raw[4:])
	if size > maxHeaders || int(size) > len(raw)-leastSize {
		return Message{}, ErrSize
	}
	headers := raw[preludeSize : preludeSize+int(size)]
	m := Message{Payload: raw[preludeSize+int(size) : len(raw)-sumSize]}
	var event, exception, code []byte
	for len(headers) > 0 {
		name, value, rest, ok := cut(headers)
		if !ok {
			return Message{}, ErrHeader
		}
		headers = rest
		switch string(name) {
		case ":message-type":
			m.Kind = kindOf(value)
		case ":event-type":
			event = value
		case ":exception-type":
			exception = value
		case ":error-code":
			code = value
		}
	}
	switch m.Kind {
	case Event:
		m.Type = event
	case Exception:
		m.Type = exception
	case Failure:
		m.Type = code
	}
	return m, nil
}

func kindOf(name []byte) Kind {
	switch string(name) {
	case "event":
		return Event
	case "exception":
		return Exception
	case "error":
		return Failure
	default:
		return Unknown
	}
}

// cut takes the first header off. The value of one that is no text is nil.
func cut(headers []byte) (name, value, rest []byte, ok bool) {
	n := int(headers[0])
	if n == 0 || len(headers) < 1+n+1 {
		return nil, nil, nil, false
	}
	name = headers[1 : 1+n]
	kind, rest := int(headers[1+n]), headers[2+n:]
	if kind >= len(fixed) {
		return nil, nil, nil, false
	}
	size := fixed[kind]
	if size < 0 {
		if len(rest) < 2 {
			return nil, nil, nil, false
		}
		size, rest = int(binary.BigEndian.Uint16(rest)), rest[2:]
	}
	if len(rest) < size {
		return nil, nil, nil, false
	}
	if kind == typeString {
		value = rest[:size]
	}
	return name, value, rest[size:], true
}

package eventstream

import (
	"encoding/binary"
	"hash/crc32"
)

// Append writes an event with a payload of JSON.
func Append(dst []byte, eventType string, payload []byte) []byte {
	mark := len(dst)
	return Close(append(Open(dst, eventType), payload...), mark)
}

// AppendException writes an exception with a payload of JSON.
func AppendException(dst []byte, exceptionType string, payload []byte) []byte {
	mark := len(dst)
	dst = appendHead(dst, ":exception-type", exceptionType, "exception")
	return Close(append(dst, payload...), mark)
}

// Open begins an event; its payload is appended by the caller, so that it need
// not be written twice. Close ends it.
func Open(dst []byte, eventType string) []byte {
	return appendHead(dst, ":event-type", eventType, "event")
}

// Close ends the message that Open began at mark: with the payload behind it,
// its lengths and checksums are known.
func Close(dst []byte, mark int) []byte {
	raw := dst[mark:]
	binary.BigEndian.PutUint32(raw, uint32(len(raw)+sumSize)) // far below 4 GiB
	binary.BigEndian.PutUint32(raw[8:], crc32.ChecksumIEEE(raw[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(raw))
}

// appendHead writes the prelude, with the length of the headers only, and the
// headers in the order in which AWS sends them.
func appendHead(dst []byte, typeHeader, typeName, kind string) []byte {
	mark := len(dst)
	dst = append(dst, make([]byte, preludeSize)...)
	dst = appendHeader(dst, typeHeader, typeName)
	dst = appendHeader(dst, ":content-type", "application/json")
	dst = appendHeader(dst, ":message-type", kind)
	binary.BigEndian.PutUint32(dst[mark+4:], uint32(len(dst)-mark-preludeSize)) // three short texts
	return dst
}

func appendHeader(dst []byte, name, value string) []byte {
	dst = append(append(dst, byte(len(name))), name...)                              // names are ours and short
	dst = binary.BigEndian.AppendUint16(append(dst, typeString), uint16(len(value))) // so are values
	return append(dst, value...)
}

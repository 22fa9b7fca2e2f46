package app

import (
	"bytes"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// restJSON is how REST reads and writes messages. Unknown fields are refused.
var restJSON = &runtime.JSONPb{UnmarshalOptions: protojson.UnmarshalOptions{DiscardUnknown: false}}

// eventStream is the media type that a web client accepts with EventSource or
// a reader of its own.
const eventStream = "text/event-stream"

// restEvents writes the messages of a stream as server-sent events, for clients
// that accept those; others get a line of JSON for each message.
type restEvents struct{ *runtime.JSONPb }

// StreamContentType implements runtime.StreamContentType.
func (restEvents) StreamContentType(any) string { return eventStream }

// Delimiter implements runtime.Delimited: an empty line ends an event.
func (restEvents) Delimiter() []byte { return []byte("\n\n") }

// ContentType implements runtime.Marshaler.
func (m restEvents) ContentType(v any) string {
	if streamed(v) {
		return eventStream
	}
	return m.JSONPb.ContentType(v)
}

// Marshal implements runtime.Marshaler. Only what a stream holds becomes an
// event: a whole answer is JSON whatever the client accepts.
func (m restEvents) Marshal(v any) ([]byte, error) {
	text, err := m.JSONPb.Marshal(v)
	if err != nil || !streamed(v) {
		return text, err
	}
	return append([]byte("data: "), bytes.TrimRight(text, "\n")...), nil
}

// streamed tells what the gateway wraps a stream's messages and its error in
// from everything else that it writes.
func streamed(v any) bool {
	switch v.(type) {
	case map[string]any, map[string]proto.Message:
		return true
	default:
		return false
	}
}

package awstest

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// Models whose event streams go wrong as only event streams can.
const (
	BadCRC       = "bad-crc"       // a message whose checksum is wrong within the answer
	BadPrelude   = "bad-prelude"   // the same, but of the message's head
	Unmodelled   = "unmodelled"    // an error that no exception stands for within the answer
	UnknownEvent = "unknown-event" // an event that no client knows; the answer goes on
	Throttled    = "throttled"     // a throttling exception within the answer
)

// ContentType is the media type of an event stream.
const ContentType = "application/vnd.amazon.eventstream"

// Messages writes the messages of an event stream.
type Messages struct{ *providertest.Flow }

// Stream begins an event stream. It is nil if the client went away meanwhile.
func Stream(h *providertest.Host, w http.ResponseWriter, r *http.Request, model string) *Messages {
	flow := h.Flow(w, r, model, ContentType)
	if flow == nil {
		return nil
	}
	return &Messages{flow}
}

// header is a name with its value.
type header struct{ name, value string }

func encode(payload []byte, headers ...header) []byte {
	m := eventstream.Message{Payload: payload}
	for _, h := range headers {
		m.Headers.Set(h.name, eventstream.StringValue(h.value))
	}
	var out bytes.Buffer
	if err := eventstream.NewEncoder().Encode(&out, m); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func event(kind, contentType string, payload []byte) []byte {
	return encode(payload, header{":event-type", kind}, header{":content-type", contentType}, header{":message-type", "event"})
}

// Event sends an event whose payload is JSON.
func (m *Messages) Event(kind string, payload []byte) {
	for _, piece := range m.Pieces(payload) {
		m.Write(event(kind, "application/json", piece))
	}
}

// Bytes sends an event whose payload is raw.
func (m *Messages) Bytes(kind string, payload []byte) {
	m.Write(event(kind, "application/octet-stream", payload))
}

// Exception sends a modelled exception, which ends a stream.
func (m *Messages) Exception(kind string, members map[string]any) {
	m.Write(encode(providertest.Marshal(members),
		header{":exception-type", kind}, header{":content-type", "application/json"}, header{":message-type", "exception"}))
}

// Midway does what the model is named for in the middle of its answer, where
// exceptions and checksums are concerned; it is false if the stream must end here.
func (m *Messages) Midway(h *providertest.Host, r *http.Request, model string, kind string, fail func()) bool {
	switch providertest.Behaviour(model) {
	case BadCRC:
		raw := event(kind, "application/json", []byte(`{}`))
		raw[len(raw)-1] ^= 0xff
		m.Write(raw)
		return false
	case BadPrelude:
		raw := event(kind, "application/json", []byte(`{}`))
		raw[0] ^= 0x01
		m.Write(raw)
		return false
	case Unmodelled:
		m.Write(encode(nil, header{":error-code", "InternalFailure"},
			header{":error-message", providertest.LeakyText}, header{":message-type", "error"}))
		return false
	case UnknownEvent:
		m.Event("somethingNew", []byte(`{"kept":true}`))
		return true
	}
	return h.Midway(r, model, providertest.Middle{
		Malformed: func() { m.Event(kind, []byte(`{"delta":{"text":"bro`)) },
		Fail:      fail,
		Tear:      m.Tear,
		Huge:      m.Huge,
	})
}

// Huge sends a message whose sound head announces very many bytes.
func (m *Messages) Huge(size int) {
	raw := binary.BigEndian.AppendUint32(nil, uint32(min(size, 64<<20)))
	raw = binary.BigEndian.AppendUint32(raw, 0)
	m.Write(binary.BigEndian.AppendUint32(raw, crc32.ChecksumIEEE(raw)))
	m.Flow.Huge(size)
}

// Wrap writes messages into an answer that has begun.
func Wrap(w http.ResponseWriter) *Messages { return &Messages{providertest.NewFlow(w)} }

package sagemaker

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/openai"
	"github.com/tollgate/tollgate/services/router/internal/wire/sse"
)

// container is what a container writes.
const container = "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße \"}}]}\r\n\r\n: ping\n\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"東京 🗼\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"

func messages(pieces ...string) (raw []byte) {
	for _, piece := range pieces {
		raw = eventstream.Append(raw, "PayloadPart", []byte(piece))
	}
	return raw
}

func text(t testing.TB, raw []byte) (out string, err error) {
	t.Helper()
	var d openai.ChunkDecoder
	var c stream.Chunk
	frames := sse.NewReader(newParts(bytes.NewReader(raw)))
	for {
		frame, err := frames.Next()
		if err == nil {
			err = d.Decode(frame, &c)
		}
		if err != nil {
			return out, err
		}
		for i := range c.Events {
			if c.Events[i].Kind == stream.Text {
				out += string(c.Events[i].Delta)
			}
		}
	}
}

// The container's bytes mean the same wherever they are cut into parts.
func TestPartsAnySplit(t *testing.T) {
	for i := range container {
		for _, raw := range [][]byte{messages(container[:i], container[i:]), append(eventstream.Append(messages(container[:i]), "NewEvent", []byte("x")), messages("", container[i:])...)} {
			if got, err := text(t, raw); got != "Grüße 東京 🗼" || err != io.EOF {
				t.Fatalf("cut at %d: %q, %v", i, got, err)
			}
		}
	}
	if err := iotest.TestReader(newParts(bytes.NewReader(messages(container[:10], container[10:]))), []byte(container)); err != nil {
		t.Error(err)
	}
}

func TestPartsFail(t *testing.T) {
	for name, want := range map[string]llmv1.ErrorReason{
		"ModelStreamError": llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE, "InternalStreamFailure": llmv1.ErrorReason_ERROR_REASON_PROVIDER_UNAVAILABLE,
		"ThrottlingException": llmv1.ErrorReason_ERROR_REASON_PROVIDER_RATE_LIMITED,
	} {
		raw := eventstream.AppendException(messages(container[:60]), name, []byte(`{"Message":"sk-1"}`))
		if _, err := text(t, raw); !errs.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	whole := messages(container[:60])
	for i := 1; i < len(whole); i++ {
		if _, err := io.ReadAll(newParts(bytes.NewReader(whole[:i]))); err != io.ErrUnexpectedEOF {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
}

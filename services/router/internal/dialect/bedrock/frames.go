package bedrock

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
)

// frames writes the streams of InvokeModelWithResponseStream: what the format of
// the body has as events, in AWS's framing, each in base64, the last with the
// counts and times.
type frames struct {
	dialect.Encoder // of the format of the body
	family          *family
	began, first    time.Time
	usage           *llmv1.Usage
	ended           bool
}

func newFrames(of *family) *frames {
	f := &frames{family: of, began: time.Now()}
	f.Encoder = of.encoder(f.chunk)
	return f
}

// Append implements dialect.Encoder.
func (f *frames) Append(dst []byte, c *stream.Chunk) []byte {
	if f.ended {
		return dst
	}
	for i := range c.Events {
		switch ev := &c.Events[i]; ev.Kind {
		case stream.Usage:
			f.usage = ev.Tokens
		case stream.Error:
			return f.Fail(dst, errs.New(ev.Failure.GetReason(), "%s", ev.Failure.GetMessage()))
		}
	}
	if f.first.IsZero() && c.IsContent() {
		f.first = time.Now()
	}
	return f.Encoder.Append(dst, c)
}

// Fail implements dialect.Encoder. A policy's block ends a stream as the format
// of the body does when a filter stops an answer; any other failure is an
// exception of the stream.
func (f *frames) Fail(dst []byte, err error) []byte {
	if f.ended {
		return dst
	}
	failure := errs.From(err)
	if failure.Reason == llmv1.ErrorReason_ERROR_REASON_OUTPUT_BLOCKED ||
		failure.Reason == llmv1.ErrorReason_ERROR_REASON_PROVIDER_CONTENT_FILTERED {
		return f.Encoder.Fail(dst, failure)
	}
	f.ended = true
	return appendException(dst, failure)
}

// chunk frames a payload.
func (f *frames) chunk(dst, payload []byte, last bool) []byte {
	if f.ended {
		return dst
	}
	if last {
		payload, f.ended = f.withMetrics(payload), true
	}
	mark := len(dst)
	dst = append(eventstream.Open(dst, "chunk"), `{"bytes":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	return eventstream.Close(append(dst, `"}`...), mark)
}

// withMetrics adds what Bedrock adds to the last payload.
func (f *frames) withMetrics(payload []byte) []byte {
	body, ok := bytes.CutSuffix(bytes.TrimRight(payload, " \t\r\n"), []byte("}"))
	if !ok {
		return payload
	}
	input, output := f.family.tokens(f.usage)
	now := time.Now()
	if f.first.IsZero() {
		f.first = now
	}
	b := append(append(make([]byte, 0, len(body)+256), bytes.TrimRight(body, " \t\r\n")...), `,"amazon-bedrock-invocationMetrics":{`...)
	for i, member := range []struct {
		name  string
		value int64
	}{
		{"inputTokenCount", input},
		{"outputTokenCount", output},
		{"invocationLatency", now.Sub(f.began).Milliseconds()},
		{"firstByteLatency", f.first.Sub(f.began).Milliseconds()},
		{"cacheReadInputTokenCount", f.usage.GetCacheReadTokens()},
		{"cacheWriteInputTokenCount", f.usage.GetCacheWrite_5MTokens() + f.usage.GetCacheWrite_1HTokens()},
	} {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), member.name...), `":`...)
		b = strconv.AppendInt(b, member.value, 10)
	}
	return append(b, `}}`...)
}

// inStream are the exceptions that a stream may end with; all others look like
// a fault of the model's stream.
var inStream = map[string]string{
	"ThrottlingException": "throttlingException", "ModelTimeoutException": "modelTimeoutException",
	"ServiceUnavailableException": "serviceUnavailableException", "InternalServerException": "internalServerException",
	"ValidationException": "validationException",
}

func appendException(dst []byte, e *errs.Error) []byte {
	name, ok := inStream[exceptionOf(e)]
	if !ok {
		name = "modelStreamErrorException"
	}
	return eventstream.AppendException(dst, name, converse.AppendError(nil, e))
}

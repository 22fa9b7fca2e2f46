package bedrock

import (
	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/wire/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/wire/titan"
)

// family is how a format of InvokeModel's bodies is read and written.
type family struct {
	parse  func(body []byte, model string, stream bool) (provider.NativeRequest, *llmv1.Conversation, error)
	encode func(*pipeline.Result) []byte
	// encoder begins a stream whose payloads are framed by frame.
	encoder func(frame func(dst, payload []byte, last bool) []byte) dialect.Encoder
	// tokens counts as the format does.
	tokens func(*llmv1.Usage) (input, output int64)
}

var families = map[format]*family{
	formatAnthropic: {
		parse: func(body []byte, model string, stream bool) (provider.NativeRequest, *llmv1.Conversation, error) {
			request, conversation, err := anthropic.ParseInvoke(body, model, stream)
			if err != nil {
				return nil, nil, err
			}
			betas, err := betasOf(body)
			request.WithBetas(betas)
			return request, conversation, err
		},
		encode: func(result *pipeline.Result) []byte {
			return anthropic.EncodeAnswer(result.Answer, result.Report.GetCitations())
		},
		encoder: func(frame func(dst, payload []byte, last bool) []byte) dialect.Encoder {
			return anthropic.NewChunkEncoder(func(dst []byte, kind string, data []byte) []byte {
				if kind == "ping" { // Bedrock sends none
					return dst
				}
				return frame(dst, data, kind == "message_stop")
			})
		},
		tokens: func(u *llmv1.Usage) (input, output int64) { // what is cached is counted apart
			cached := u.GetCacheReadTokens() + u.GetCacheWrite_5MTokens() + u.GetCacheWrite_1HTokens()
			return titan.InputTokens(u) - cached, titan.OutputTokens(u)
		},
	},
	formatTitanText: {
		parse: func(body []byte, model string, _ bool) (provider.NativeRequest, *llmv1.Conversation, error) {
			return titan.ParseRequest(body, model)
		},
		encode: func(result *pipeline.Result) []byte { return titan.EncodeAnswer(result.Answer.Completion) },
		encoder: func(frame func(dst, payload []byte, last bool) []byte) dialect.Encoder {
			return titan.NewChunkEncoder(frame)
		},
		tokens: func(u *llmv1.Usage) (input, output int64) { return titan.InputTokens(u), titan.OutputTokens(u) },
	},
}

package pairs

import (
	"encoding/json"
	"errors"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// No provider is asked in the format of OpenAI's responses, so what its clients
// are told is read here, as their SDKs read it.
var listener = target{
	name: "responses", decode: heardResponse,
	decoder: func() decoder { return &listening{} }, frames: events,
}

type response struct {
	ID, Model, Status string
	IncompleteDetails struct{ Reason string } `json:"incomplete_details"`
	Output            []outputItem
	Usage             *struct {
		InputTokens        int64 `json:"input_tokens"`
		InputTokensDetails struct {
			CachedTokens int64 `json:"cached_tokens"`
		} `json:"input_tokens_details"`
		OutputTokens int64 `json:"output_tokens"`
	}
}

type outputItem struct {
	Type, Name, Arguments string
	Content               []struct{ Type, Text, Refusal string }
	Summary               []struct{ Text string }
}

func (r *response) usage() *llmv1.Usage {
	if r.Usage == nil {
		return nil
	}
	cached := r.Usage.InputTokensDetails.CachedTokens
	return &llmv1.Usage{InputTokens: r.Usage.InputTokens - cached, CacheReadTokens: cached, OutputTokens: r.Usage.OutputTokens}
}

func (r *response) finish() llmv1.FinishReason {
	if r.Status == "incomplete" {
		if r.IncompleteDetails.Reason == "max_output_tokens" {
			return llmv1.FinishReason_FINISH_REASON_LENGTH
		}
		return llmv1.FinishReason_FINISH_REASON_CONTENT_FILTER
	}
	for _, item := range r.Output {
		if item.Type == "function_call" {
			return llmv1.FinishReason_FINISH_REASON_TOOL_CALLS
		}
		for _, part := range item.Content {
			if part.Type == "refusal" {
				return llmv1.FinishReason_FINISH_REASON_REFUSAL
			}
		}
	}
	return llmv1.FinishReason_FINISH_REASON_STOP
}

func heardResponse(raw []byte) (*llmv1.Completion, error) {
	var r response
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, err
	}
	m := &llmv1.Message{}
	for _, item := range r.Output {
		for _, part := range item.Content {
			m.Parts = append(m.Parts, &llmv1.Part{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: part.Text + part.Refusal}}})
		}
		if item.Type == "function_call" {
			m.Parts = append(m.Parts, &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Name: item.Name, Arguments: item.Arguments}}})
		}
	}
	return &llmv1.Completion{
		Model: r.Model, Usage: r.usage(), Candidates: []*llmv1.Candidate{{Message: m, FinishReason: r.finish()}},
	}, nil
}

// listening reads the events of a stream.
type listening struct{ started, finished bool }

func (l *listening) Started() bool { return l.started }

func (l *listening) Finished(int) bool { return l.finished }

var errHeard = errors.New("the stream failed")

func (l *listening) Decode(frame []byte, c *stream.Chunk) error {
	c.Reset()
	var e struct {
		Type, Delta string
		OutputIndex int32 `json:"output_index"`
		Item        outputItem
		Response    response
	}
	if err := json.Unmarshal(frame, &e); err != nil {
		return err
	}
	l.started = true
	say := func(kind stream.Kind) {
		c.Events = append(c.Events, stream.Event{Kind: kind, Index: e.OutputIndex, Delta: []byte(e.Delta)})
	}
	switch e.Type {
	case "response.output_text.delta", "response.refusal.delta":
		say(stream.Text)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		say(stream.Thinking)
	case "response.function_call_arguments.delta":
		say(stream.ToolArguments)
	case "response.output_item.added":
		if e.Item.Type == "function_call" {
			part := &llmv1.Part{Content: &llmv1.Part_ToolCall{ToolCall: &llmv1.ToolCall{Name: e.Item.Name}}}
			c.Events = append(c.Events, stream.Event{Kind: stream.PartStart, Index: e.OutputIndex, Part: part})
		}
	case "response.completed", "response.incomplete":
		l.finished = true
		c.Events = append(
			c.Events, stream.Event{Kind: stream.Finish, Reason: e.Response.finish()},
			stream.Event{Kind: stream.Usage, Tokens: e.Response.usage()},
		)
	case "response.failed", "error":
		return errHeard
	}
	return nil
}

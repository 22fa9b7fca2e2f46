package e2e

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

func openaiResponses(d *deployment) sdk {
	client := openaiClient(d)
	return sdk{name: "openai responses", status: openaiStatus, ask: func(ctx context.Context, model string, q question) (*outcome, error) {
		p := responseParams(model, q)
		if !q.stream {
			got, err := client.Responses.New(ctx, p)
			if err != nil {
				return nil, err
			}
			return responseOutcome(got)
		}
		stream := client.Responses.NewStreaming(ctx, p)
		defer stream.Close()
		var done *responses.Response
		for stream.Next() {
			switch e := stream.Current(); e.Type {
			case "response.completed", "response.incomplete":
				done = &e.Response
			case "response.failed", "error":
				return nil, errors.New(e.RawJSON())
			}
		}
		if err := stream.Err(); err != nil {
			return nil, err
		}
		if done == nil {
			return nil, errors.New("the stream ended without response.completed")
		}
		return responseOutcome(done)
	}}
}

func responseParams(model string, q question) responses.ResponseNewParams {
	p := responses.ResponseNewParams{Model: model, Store: openai.Bool(false)}
	content := responses.ResponseInputMessageContentListParam{{OfInputText: &responses.ResponseInputTextParam{Text: q.text}}}
	if q.image != nil {
		content = append(content, responses.ResponseInputContentUnionParam{OfInputImage: &responses.ResponseInputImageParam{
			ImageURL: openai.String(dataURL(q.image)), Detail: responses.ResponseInputImageDetailAuto,
		}})
	}
	items := responses.ResponseInputParam{responses.ResponseInputItemParamOfMessage(content, responses.EasyInputMessageRoleUser)}
	for _, t := range q.before {
		for _, item := range t.raw.([]json.RawMessage) {
			items = append(items, param.Override[responses.ResponseInputItemUnionParam](item))
		}
		for i, result := range t.results {
			output := responses.ResponseInputItemParamOfFunctionCallOutput(result)
			output.OfFunctionCallOutput.CallID = openai.String(t.Calls[i].ID)
			items = append(items, output)
		}
		if t.then != "" {
			items = append(items, responses.ResponseInputItemParamOfMessage(t.then, responses.EasyInputMessageRoleUser))
		}
	}
	p.Input.OfInputItemList = items
	if q.tools {
		for _, name := range []string{"f", "g"} {
			p.Tools = append(p.Tools, responses.ToolParamOfFunction(name, citySchema, false))
		}
	}
	if q.schema {
		p.Text.Format = responses.ResponseFormatTextConfigParamOfJSONSchema("answer", answerSchema)
	}
	if q.thinking {
		p.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortMedium, Summary: shared.ReasoningSummaryAuto}
		p.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	}
	return p
}

func responseOutcome(r *responses.Response) (*outcome, error) {
	out := &outcome{Text: r.OutputText()}
	var items []json.RawMessage
	for _, item := range r.Output {
		items = append(items, json.RawMessage(item.RawJSON()))
		switch item.Type {
		case "function_call":
			call := call{item.CallID, item.Name, item.Arguments.OfString}
			out.Calls = append(out.Calls, call)
		case "reasoning":
			for _, s := range item.Summary {
				out.Thinking += s.Text
			}
		}
	}
	out.raw = items
	return out, nil
}

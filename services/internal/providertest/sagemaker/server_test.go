package sagemaker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime"
	"github.com/aws/aws-sdk-go-v2/service/sagemakerruntime/types"
	"github.com/aws/smithy-go"
	"github.com/openai/openai-go/v3"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/internal/providertest/sagemaker"
)

// The official SDKs are the judges of whether the fake speaks the real format:
// AWS's of the envelope, OpenAI's of what is in it.
func client(s *sagemaker.Server, secret string) *sagemakerruntime.Client {
	return sagemakerruntime.New(sagemakerruntime.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.BaseURL()), Retryer: aws.NopRetryer{}, HTTPClient: awstest.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider(awstest.AccessKey, secret, ""),
	})
}

const conversation = `"messages":[{"role":"user","content":"eins zwei drei vier é"}]`

func whole(t *testing.T, c *sagemakerruntime.Client, endpoint, body string) (openai.ChatCompletion, error) {
	t.Helper()
	var got openai.ChatCompletion
	out, err := c.InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{
		EndpointName: &endpoint, Body: []byte(body), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return got, err
	}
	if *out.InvokedProductionVariant != "AllTraffic" {
		t.Errorf("variant %v", out.InvokedProductionVariant)
	}
	return got, json.Unmarshal(out.Body, &got)
}

// streamed returns the text of the stream, and how many parts it came in.
func streamed(t *testing.T, c *sagemakerruntime.Client, endpoint, body string) (text string, parts int, err error) {
	t.Helper()
	out, err := c.InvokeEndpointWithResponseStream(t.Context(), &sagemakerruntime.InvokeEndpointWithResponseStreamInput{
		EndpointName: &endpoint, Body: []byte(body), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return "", 0, err
	}
	stream := out.GetStream()
	defer func() { _ = stream.Close() }()
	var all []byte
	for event := range stream.Events() {
		if part, ok := event.(*types.ResponseStreamMemberPayloadPart); ok {
			all = append(all, part.Value.Bytes...)
			parts++
		}
	}
	return string(all), parts, stream.Err()
}

// accumulate reads the events of a text with OpenAI's SDK.
func accumulate(t *testing.T, text string) *openai.ChatCompletion {
	t.Helper()
	var acc openai.ChatCompletionAccumulator
	for line := range strings.SplitSeq(text, "\n") {
		data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok || data == "[DONE]" {
			continue
		}
		var chunk openai.ChatCompletionChunk
		if err := json.Unmarshal([]byte(data), &chunk); err != nil || !acc.AddChunk(chunk) {
			t.Fatalf("the SDK cannot add %s: %v", data, err)
		}
	}
	return &acc.ChatCompletion
}

func TestAnswers(t *testing.T) {
	tools := `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}},{"type":"function","function":{"name":"g"}}]`
	tests := map[string]struct {
		endpoint, body, text string
		calls                []string
	}{
		"text":     {"m", conversation, "You said: eins zwei drei vier é", nil},
		"tool":     {"m", conversation + tools, "", []string{"f{}"}},
		"parallel": {providertest.ParallelTools, conversation + tools, "", []string{"f{}", "g{}"}},
		"odd":      {providertest.OddArguments, conversation + tools, "", []string{"f" + providertest.OddJSON}},
		"schema": {
			"m", conversation + `,"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"type":"object","properties":{"a":{"type":"integer"}}}}}`,
			`{"a":7}`, nil,
		},
		"image": {
			"m", `"messages":[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AQID"}}]}]`,
			"I see image/png of 3 bytes. You said: x", nil,
		},
		"result": {
			"m", `"messages":[{"role":"user","content":"x"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"c","content":"sunny"}]` + tools,
			"The tools said: sunny. You said: x", nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := sagemaker.New(t)
			c := client(s, awstest.Secret)
			one, err := whole(t, c, tt.endpoint, "{"+tt.body+"}")
			if err != nil {
				t.Fatal(err)
			}
			text, parts, err := streamed(t, c, tt.endpoint, "{"+tt.body+`,"stream":true,"stream_options":{"include_usage":true}}`)
			if err != nil || parts < 6 || !strings.Contains(text, "data: [DONE]") {
				t.Fatalf("%d parts, %q, %v", parts, text, err)
			}
			for i, got := range []*openai.ChatCompletion{&one, accumulate(t, text)} {
				var calls []string
				for _, call := range got.Choices[0].Message.ToolCalls {
					calls = append(calls, call.Function.Name+call.Function.Arguments)
				}
				if got.Choices[0].Message.Content != tt.text || !slices.Equal(calls, tt.calls) || got.Usage.TotalTokens == 0 {
					t.Errorf("answer %d: %+v", i, got)
				}
			}
			if last := s.Last(); last.Model != tt.endpoint || !last.Stream {
				t.Errorf("recorded %+v", last)
			}
		})
	}
}

func code(err error) string {
	var e smithy.APIError
	if !errors.As(err, &e) {
		return ""
	}
	return e.ErrorCode()
}

func TestErrors(t *testing.T) {
	s := sagemaker.New(t)
	c := client(s, awstest.Secret)
	tests := map[string]struct {
		code   string
		status int32 // of the container
	}{
		providertest.RateLimited: {"ThrottlingException", 0}, providertest.RateLimitedAfter: {"ModelError", 429},
		providertest.ServerError: {"InternalFailure", 0}, providertest.Overloaded: {"ServiceUnavailable", 0},
		providertest.Unauthorized: {"UnrecognizedClientException", 0}, providertest.Forbidden: {"AccessDeniedException", 0},
		providertest.Missing: {"ValidationError", 0}, providertest.TooLarge: {"ValidationError", 0}, providertest.TimedOut: {"ModelError", 0},
		providertest.ContextExceeded: {"ModelError", 400}, providertest.ContentFilter: {"ModelError", 400},
		providertest.Rejected: {"ModelError", 400}, sagemaker.NotReady: {"ModelNotReadyException", 0},
	}
	for endpoint, want := range tests {
		_, first := whole(t, c, endpoint, "{"+conversation+"}")
		_, _, second := streamed(t, c, endpoint, "{"+conversation+`,"stream":true}`)
		for _, err := range []error{first, second} {
			if code(err) != want.code || !strings.Contains(err.Error(), providertest.LeakyText) {
				t.Errorf("%s: %v", endpoint, err)
			}
			var e *types.ModelError
			if errors.As(err, &e) && *e.OriginalStatusCode != want.status {
				t.Errorf("%s: %s of %d", endpoint, *e.OriginalMessage, *e.OriginalStatusCode)
			}
		}
	}
	if _, err := whole(t, client(s, "other"), "m", "{"+conversation+"}"); code(err) != "InvalidSignatureException" {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := whole(t, c, "m", "{"); code(err) != "ModelError" {
		t.Errorf("no JSON: %v", err)
	}
}

func TestStreams(t *testing.T) {
	s := sagemaker.New(t)
	s.Delay = 20 * time.Millisecond
	c := client(s, awstest.Secret)
	body := "{" + conversation + `,"stream":true}`
	for _, endpoint := range []string{
		providertest.Tiny, providertest.OneWrite, providertest.CRLF, providertest.Comments, providertest.SlowFirstToken, awstest.UnknownEvent,
	} {
		text, _, err := streamed(t, c, endpoint, body)
		if err != nil {
			t.Errorf("%s: %v", endpoint, err)
			continue
		}
		if got := accumulate(t, text).Choices[0]; got.Message.Content != "You said: eins zwei drei vier é" || got.FinishReason != "stop" {
			t.Errorf("%s: %+v", endpoint, got)
		}
	}
	for endpoint, want := range map[string]string{
		providertest.ErrorInStream: "ModelStreamError", sagemaker.InternalStream: "InternalStreamFailure", awstest.Unmodelled: "InternalFailure",
		awstest.BadCRC: "", awstest.BadPrelude: "", providertest.Reset: "",
	} {
		text, _, err := streamed(t, c, endpoint, body)
		if err == nil || want != "" && code(err) != want {
			t.Errorf("%s: %q, %v", endpoint, text, err)
		}
		if typed := new(types.ModelStreamError); errors.As(err, &typed) != (want == "ModelStreamError") || typed.ErrorCode_ != nil && *typed.ErrorCode_ != "ModelInvocationTimeExceeded" {
			t.Errorf("%s: %+v", endpoint, typed)
		}
	}
	// What is in the parts is not the SDK's business.
	for endpoint, want := range map[string]string{providertest.Malformed: `"content":"bro`, providertest.EndsEarly: "data:", providertest.NoDone: `"finish_reason":"stop"`} {
		text, _, err := streamed(t, c, endpoint, body)
		if err != nil || !strings.Contains(text, want) || endpoint != providertest.Malformed && strings.Contains(text, "[DONE]") {
			t.Errorf("%s: %q, %v", endpoint, text, err)
		}
	}
}

func TestEmbeddings(t *testing.T) {
	s := sagemaker.New(t)
	out, err := client(s, awstest.Secret).InvokeEndpoint(t.Context(), &sagemakerruntime.InvokeEndpointInput{
		EndpointName: aws.String("e"), Body: []byte(`{"input":["a","b c"],"dimensions":3}`), ContentType: aws.String("application/json"),
	})
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Data []struct{ Embedding []float32 }
	}
	if err := json.Unmarshal(out.Body, &got); err != nil || len(got.Data) != 2 || fmt.Sprint(got.Data[1].Embedding) != fmt.Sprint(providertest.Vector("b c", 3)) {
		t.Errorf("got %s, %v", out.Body, err)
	}
}

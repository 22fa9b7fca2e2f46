package bedrock_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/bedrock"
	"github.com/aws/aws-sdk-go-v2/service/bedrock/types"
	"github.com/aws/smithy-go"
)

func TestSDKListsModels(t *testing.T) {
	w := newWorld(t)
	list := func(in *bedrock.ListFoundationModelsInput) []string {
		t.Helper()
		out, err := w.control().ListFoundationModels(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, m := range out.ModelSummaries {
			ids = append(ids, aws.ToString(m.ModelId))
			if m.ModelLifecycle == nil || m.ModelLifecycle.Status != types.FoundationModelLifecycleStatusActive || !aws.ToBool(m.ResponseStreamingSupported) ||
				!slices.Contains(m.InferenceTypesSupported, types.InferenceTypeOnDemand) || !slices.Contains(m.InputModalities, types.ModelModalityText) {
				t.Errorf("%+v", m)
			}
		}
		return ids
	}
	all := []string{"gpt-4o-mini", "org/model"}
	for _, tt := range []struct {
		in   bedrock.ListFoundationModelsInput
		want []string
	}{
		{bedrock.ListFoundationModelsInput{}, all},
		{bedrock.ListFoundationModelsInput{ByOutputModality: types.ModelModalityText, ByInferenceType: types.InferenceTypeOnDemand}, all},
		{bedrock.ListFoundationModelsInput{ByOutputModality: types.ModelModalityEmbedding}, []string{}},
		{bedrock.ListFoundationModelsInput{ByProvider: aws.String("anthropic")}, []string{}},
		{bedrock.ListFoundationModelsInput{ByCustomizationType: types.ModelCustomizationFineTuning}, []string{}},
	} {
		if got := list(&tt.in); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q", tt.in, got)
		}
	}
	// The ARN of the list names the model as well as its id does.
	for _, id := range []string{"org/model", "arn:aws:bedrock:tollgate::foundation-model/org/model"} {
		out, err := w.control().GetFoundationModel(t.Context(), &bedrock.GetFoundationModelInput{ModelIdentifier: aws.String(id)})
		if err != nil || aws.ToString(out.ModelDetails.ModelId) != "org/model" || !strings.HasSuffix(aws.ToString(out.ModelDetails.ModelArn), "::foundation-model/org/model") {
			t.Errorf("%s: %+v, %v", id, out, err)
		}
	}
	_, err := w.control().GetFoundationModel(t.Context(), &bedrock.GetFoundationModelInput{ModelIdentifier: aws.String("nobody")})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		t.Errorf("an unknown model: %v", err)
	}
}

func TestSDKIsRefused(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		id, key, want string
	}{
		"unknown key":  {"TGAKnobodyhasthis0001", accessKey, "UnrecognizedClientException"},
		"wrong secret": {accessKeyID, "x", "InvalidSignatureException"},
	} {
		_, err := w.control(func(o *bedrock.Options) {
			o.Credentials = credentials.NewStaticCredentialsProvider(tt.id, tt.key, "")
		}).ListFoundationModels(t.Context(), &bedrock.ListFoundationModelsInput{})
		var api smithy.APIError
		if !errors.As(err, &api) || api.ErrorCode() != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	viewer := newWorldAs(t, "viewer")
	_, err := viewer.control().ListFoundationModels(t.Context(), &bedrock.ListFoundationModelsInput{})
	var denied *types.AccessDeniedException
	if !errors.As(err, &denied) {
		t.Errorf("a viewer: %v", err)
	}
}

func TestPaths(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		method, path, kind string
		status             int
	}{
		{http.MethodPost, "/bedrock/model/m/other", "UnknownOperationException", http.StatusNotFound},
		{http.MethodGet, "/bedrock/", "UnknownOperationException", http.StatusNotFound},
		{http.MethodGet, "/bedrock/model/m/converse", "UnknownOperationException", http.StatusMethodNotAllowed},
	} {
		resp, body := w.do(t, tt.method, tt.path, "{}")
		if resp.StatusCode != tt.status || resp.Header.Get("X-Amzn-Errortype") != tt.kind || !strings.HasPrefix(body, `{"message":"`) {
			t.Errorf("%s %s: %d %s %s", tt.method, tt.path, resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), body)
		}
		if id := resp.Header.Get("X-Amzn-Requestid"); id == "" || id != resp.Header.Get("X-Tollgate-Request-Id") {
			t.Errorf("request id %q", id)
		}
	}
}

package bedrock

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

// Model is a foundation model that the control plane lists.
type Model struct {
	ID, Provider    string
	Inputs, Outputs []string // TEXT, IMAGE, EMBEDDING, …
	InferenceTypes  []string // ON_DEMAND, PROVISIONED, INFERENCE_PROFILE
	Streaming       bool
	Status          string // ACTIVE, LEGACY
}

// Profile is an inference profile that reaches models of several regions.
type Profile struct {
	ID      string
	Model   string
	Regions []string
}

func defaultModels() []Model {
	text := []string{"TEXT"}
	return []Model{
		{"anthropic.claude-sonnet-4-5-20250929-v1:0", "Anthropic", []string{"TEXT", "IMAGE"}, text, []string{"INFERENCE_PROFILE"}, true, "ACTIVE"},
		{"amazon.nova-lite-v1:0", "Amazon", []string{"TEXT", "IMAGE", "VIDEO"}, text, []string{"ON_DEMAND", "INFERENCE_PROFILE"}, true, "ACTIVE"},
		{"amazon.titan-embed-text-v2:0", "Amazon", text, []string{"EMBEDDING"}, []string{"ON_DEMAND"}, false, "ACTIVE"},
		{"cohere.embed-english-v3", "Cohere", text, []string{"EMBEDDING"}, []string{"ON_DEMAND"}, false, "ACTIVE"},
		{"anthropic.claude-v2", "Anthropic", text, text, []string{"ON_DEMAND"}, true, "LEGACY"},
	}
}

func defaultProfiles() []Profile {
	return []Profile{
		{"eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-sonnet-4-5-20250929-v1:0", []string{"eu-central-1", "eu-west-1"}},
		{"eu.amazon.nova-lite-v1:0", "amazon.nova-lite-v1:0", []string{"eu-central-1", "eu-west-3"}},
	}
}

func modelARN(region, id string) string {
	return fmt.Sprintf("arn:aws:bedrock:%s::foundation-model/%s", region, id)
}

func (m Model) summary(region string) map[string]any {
	return map[string]any{
		"modelArn": modelARN(region, m.ID), "modelId": m.ID, "modelName": m.ID, "providerName": m.Provider,
		"inputModalities": m.Inputs, "outputModalities": m.Outputs, "inferenceTypesSupported": m.InferenceTypes,
		"responseStreamingSupported": m.Streaming, "customizationsSupported": []any{},
		"modelLifecycle": map[string]any{"status": m.Status},
	}
}

// control answers for the control plane.
func (e *exchange) control(region string) *awstest.Fault {
	path := e.r.URL.Path
	switch {
	case path == "/foundation-models":
		e.listModels(region)
	case path == "/inference-profiles":
		return e.listProfiles(region)
	case strings.HasPrefix(path, "/foundation-models/"):
		id := strings.TrimPrefix(path, "/foundation-models/")
		i := slices.IndexFunc(e.Models, func(m Model) bool { return m.ID == id })
		if i < 0 {
			return &awstest.Fault{Status: http.StatusNotFound, Kind: "ResourceNotFoundException", Message: "The resource you requested is not found."}
		}
		providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"modelDetails": e.Models[i].summary(region)})
	default:
		return &awstest.Fault{Status: http.StatusNotFound, Kind: "UnknownOperationException"}
	}
	return nil
}

func (e *exchange) listModels(region string) {
	query := e.r.URL.Query()
	fits := func(filter string, has ...string) bool {
		want := query.Get(filter)
		return want == "" || slices.ContainsFunc(has, func(one string) bool { return strings.EqualFold(one, want) })
	}
	out := []any{}
	for _, m := range e.Models {
		if fits("byProvider", m.Provider) && fits("byOutputModality", m.Outputs...) && fits("byInferenceType", m.InferenceTypes...) {
			out = append(out, m.summary(region))
		}
	}
	providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"modelSummaries": out})
}

// listProfiles lists page by page.
func (e *exchange) listProfiles(region string) *awstest.Fault {
	query := e.r.URL.Query()
	from, size := 0, len(e.Profiles)
	for name, into := range map[string]*int{"nextToken": &from, "maxResults": &size} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1000 {
			return invalid("The value of " + name + " is not valid.")
		}
		*into = n
	}
	if want := query.Get("type"); want != "" && want != "SYSTEM_DEFINED" {
		from = len(e.Profiles)
	}
	from = min(from, len(e.Profiles))
	to := min(from+size, len(e.Profiles))
	summaries := []any{}
	for _, p := range e.Profiles[from:to] {
		var models []any
		for _, r := range p.Regions {
			models = append(models, map[string]any{"modelArn": modelARN(r, p.Model)})
		}
		summaries = append(summaries, map[string]any{
			"inferenceProfileId": p.ID, "inferenceProfileName": p.ID, "status": "ACTIVE", "type": "SYSTEM_DEFINED",
			"inferenceProfileArn": fmt.Sprintf("arn:aws:bedrock:%s:123456789012:inference-profile/%s", region, p.ID),
			"models":              models, "createdAt": "2025-06-15T15:06:40Z", "updatedAt": "2025-06-15T15:06:40Z",
		})
	}
	out := map[string]any{"inferenceProfileSummaries": summaries}
	if to < len(e.Profiles) {
		out["nextToken"] = strconv.Itoa(to)
	}
	providertest.WriteJSON(e.w, http.StatusOK, out)
	return nil
}

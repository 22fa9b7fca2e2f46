package bedrock

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

// invoke answers for the models whose bodies are their own: embeddings.
func (e *exchange) invoke() *awstest.Fault {
	switch {
	case strings.Contains(e.model, "amazon.titan-embed-text"):
		return e.titan()
	case strings.Contains(e.model, "cohere.embed"):
		return e.cohere()
	}
	return invalid("The provided model identifier is invalid.")
}

// count says in a header what the body of some models does not.
func (e *exchange) count(tokens int) {
	if providertest.Behaviour(e.model) != providertest.NoUsage {
		e.w.Header().Set("X-Amzn-Bedrock-Input-Token-Count", fmt.Sprint(tokens))
	}
}

// malformed is how a model refuses a body.
func malformed(format string, args ...any) *awstest.Fault {
	return invalid("Malformed input request: " + fmt.Sprintf(format, args...) + ", please reformat your input and try again.")
}

// strictly reads a body that may have these members only.
func strictly(raw []byte, into any, members ...string) *awstest.Fault {
	var names map[string]json.RawMessage
	if err := json.Unmarshal(raw, &names); err != nil {
		return malformed("expected type: JSONObject")
	}
	for name := range names {
		if !slices.Contains(members, name) {
			return malformed("#: extraneous key [%s] is not permitted", name)
		}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return malformed("%v", err)
	}
	return nil
}

func (e *exchange) titan() *awstest.Fault {
	var q struct {
		InputText      string   `json:"inputText"`
		Dimensions     *int     `json:"dimensions"`
		Normalize      *bool    `json:"normalize"`
		EmbeddingTypes []string `json:"embeddingTypes"`
	}
	members := []string{"inputText"}
	dimensions := 1536
	if strings.Contains(e.model, "-v2") {
		members = []string{"inputText", "dimensions", "normalize", "embeddingTypes"}
		dimensions = 1024
	}
	if fault := strictly(e.rec.Body, &q, members...); fault != nil {
		return fault
	}
	if q.Dimensions != nil {
		dimensions = *q.Dimensions
		if !slices.Contains([]int{256, 512, 1024}, dimensions) {
			return malformed("#/dimensions: %d is not a valid enum value", dimensions)
		}
	}
	if q.InputText == "" {
		return malformed("#/inputText: expected minLength: 1, actual: 0")
	}
	vector := providertest.Vector(q.InputText, dimensions)
	tokens := providertest.Words(q.InputText)
	out := map[string]any{"inputTextTokenCount": tokens, "embeddingsByType": map[string]any{"float": vector}}
	if len(q.EmbeddingTypes) == 0 || slices.Contains(q.EmbeddingTypes, "float") {
		out["embedding"] = vector
	}
	e.count(tokens)
	e.WriteAnswer(e.w, e.r, e.model, out)
	return nil
}

var inputTypes = []string{"search_document", "search_query", "classification", "clustering", "image"}

func (e *exchange) cohere() *awstest.Fault {
	var q struct {
		Texts           []string `json:"texts"`
		InputType       string   `json:"input_type"`
		Truncate        string   `json:"truncate"`
		EmbeddingTypes  []string `json:"embedding_types"`
		OutputDimension int      `json:"output_dimension"`
	}
	members := []string{"texts", "input_type", "truncate", "embedding_types", "images"}
	dimensions := 1024
	if strings.Contains(e.model, "-v4") {
		members = append(members, "output_dimension", "max_tokens", "inputs")
		dimensions = 1536
	}
	if fault := strictly(e.rec.Body, &q, members...); fault != nil {
		return fault
	}
	switch {
	case !slices.Contains(inputTypes, q.InputType):
		return malformed("#: required key [input_type] not found")
	case len(q.Texts) == 0 || len(q.Texts) > 96:
		return malformed("#/texts: expected between 1 and 96 items, found %d", len(q.Texts))
	case q.OutputDimension != 0 && !slices.Contains([]int{256, 512, 1024, 1536}, q.OutputDimension):
		return malformed("#/output_dimension: %d is not a valid enum value", q.OutputDimension)
	case q.OutputDimension != 0:
		dimensions = q.OutputDimension
	}
	var vectors []any
	tokens := 0
	for _, text := range q.Texts {
		vectors = append(vectors, providertest.Vector(text, dimensions))
		tokens += providertest.Words(text)
	}
	out := map[string]any{"id": "fake", "texts": q.Texts, "response_type": "embeddings_floats", "embeddings": vectors}
	if len(q.EmbeddingTypes) > 0 {
		out["response_type"], out["embeddings"] = "embeddings_by_type", map[string]any{"float": vectors}
	}
	e.count(tokens)
	e.WriteAnswer(e.w, e.r, e.model, out)
	return nil
}

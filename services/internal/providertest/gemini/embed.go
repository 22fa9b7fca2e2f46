package gemini

import (
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// defaultDimensions is the length of a vector where none is asked for.
const defaultDimensions = 8

// taskTypes are what an embedding may be for.
var taskTypes = map[string]bool{
	"": true, "TASK_TYPE_UNSPECIFIED": true, "RETRIEVAL_QUERY": true, "RETRIEVAL_DOCUMENT": true, "SEMANTIC_SIMILARITY": true,
	"CLASSIFICATION": true, "CLUSTERING": true, "QUESTION_ANSWERING": true, "FACT_VERIFICATION": true, "CODE_RETRIEVAL_QUERY": true,
}

// embedRequest asks for the vector of one content.
type embedRequest struct {
	Model                string  `json:"model"`
	Content              content `json:"content"`
	TaskType             string  `json:"taskType"`
	Title                string  `json:"title"`
	OutputDimensionality int     `json:"outputDimensionality"`
}

func (q embedRequest) values() ([]float32, error) {
	var texts []string
	for _, p := range q.Content.Parts {
		if p.Text == nil {
			return nil, invalid("* EmbedContentRequest.content: only text content is supported")
		}
		texts = append(texts, *p.Text)
	}
	switch {
	case len(texts) == 0:
		return nil, invalid("* EmbedContentRequest.content: contents is not specified")
	case !taskTypes[q.TaskType]:
		return nil, invalid("Invalid value at 'task_type' (type.googleapis.com/google.ai.generativelanguage.v1beta.TaskType), %q", q.TaskType)
	case q.Title != "" && q.TaskType != "RETRIEVAL_DOCUMENT":
		return nil, invalid("* EmbedContentRequest.title: only allowed with task type RETRIEVAL_DOCUMENT")
	}
	if q.OutputDimensionality == 0 {
		q.OutputDimensionality = defaultDimensions
	}
	return providertest.Vector(strings.Join(texts, "\n"), q.OutputDimensionality), nil
}

func (e *exchange) embed() error {
	var q embedRequest
	if err := decode(e.rec.Body, true, &q); err != nil {
		return err
	}
	values, err := q.values()
	if err == nil {
		providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"embedding": map[string]any{"values": values}})
	}
	return err
}

func (e *exchange) embedBatch() error {
	var q struct {
		Requests []embedRequest `json:"requests"`
	}
	if err := decode(e.rec.Body, true, &q); err != nil {
		return err
	}
	if len(q.Requests) == 0 || len(q.Requests) > 100 {
		return invalid("* BatchEmbedContentsRequest.requests: between 1 and 100 requests can be in one batch")
	}
	var out []any
	for _, one := range q.Requests {
		if one.Model != "models/"+e.at.model {
			return invalid("* BatchEmbedContentsRequest.requests.model: model must match the model of the batch: models/%s", e.at.model)
		}
		values, err := one.values()
		if err != nil {
			return err
		}
		out = append(out, map[string]any{"values": values})
	}
	providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"embeddings": out})
	return nil
}

// predict is how Vertex AI embeds.
func (e *exchange) predict() error {
	var q struct {
		Instances []struct {
			Content  string `json:"content"`
			TaskType string `json:"taskType"`
			Title    string `json:"title"`
		} `json:"instances"`
		Parameters struct {
			OutputDimensionality int   `json:"outputDimensionality"`
			AutoTruncate         *bool `json:"autoTruncate"`
		} `json:"parameters"`
	}
	if err := decode(e.rec.Body, true, &q); err != nil {
		return err
	}
	var out []any
	for _, one := range q.Instances {
		inner := embedRequest{TaskType: one.TaskType, Title: one.Title, OutputDimensionality: q.Parameters.OutputDimensionality}
		if one.Content != "" {
			inner.Content.Parts = []part{{Text: &one.Content}}
		}
		values, err := inner.values()
		if err != nil {
			return err
		}
		out = append(out, map[string]any{"embeddings": map[string]any{
			"values": values, "statistics": map[string]any{"token_count": providertest.Words(one.Content), "truncated": false},
		}})
	}
	if !e.at.vertex || len(out) == 0 {
		return invalid("The request has no instances.")
	}
	providertest.WriteJSON(e.w, http.StatusOK, map[string]any{"predictions": out})
	return nil
}

package bedrock

import (
	"net/http"
	"net/url"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// models answers ListFoundationModels: what the caller may ask for.
func (h *Handler) models(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	query := r.URL.Query()
	body, first := []byte(`{"modelSummaries":[`), true
	for _, m := range h.Gateway.Models(caller) {
		if !wanted(m, query) {
			continue
		}
		if !first {
			body = append(body, ',')
		}
		body, first = appendModel(body, m), false
	}
	dialect.WriteJSON(w, append(body, `]}`...))
	return nil
}

// model answers GetFoundationModel.
func (h *Handler) model(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	id := modelOf(r)
	for _, m := range h.Gateway.Models(caller) {
		if m.GetId() == id {
			dialect.WriteJSON(w, append(appendModel([]byte(`{"modelDetails":`), m), '}'))
			return nil
		}
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND, "").WithField("modelIdentifier")
}

// wanted applies the filters of ListFoundationModels.
func wanted(m *routerv1.Model, query url.Values) bool {
	for name, has := range map[string]string{
		"byProvider": vendor(m.GetId()), "byOutputModality": output(m.GetId()), "byInferenceType": "ON_DEMAND", "byCustomizationType": "",
	} {
		if value := query.Get(name); value != "" && !strings.EqualFold(value, has) {
			return false
		}
	}
	return true
}

// vendor is the maker of a model as Bedrock's ids name it: the part before the
// first dot, behind the region of an inference profile; empty for other ids.
func vendor(id string) string {
	parts := strings.Split(id, ".")
	if len(parts) > 2 && profiles[parts[0]] {
		parts = parts[1:]
	}
	if len(parts) < 2 || strings.ContainsAny(parts[0], "-_/:") || parts[0] == "" {
		return ""
	}
	return strings.ToUpper(parts[0][:1]) + parts[0][1:]
}

// profiles are the regions that an inference profile may begin with.
var profiles = map[string]bool{"us": true, "eu": true, "apac": true, "global": true, "us-gov": true, "jp": true, "au": true, "ca": true}

// embeds says by its name whether a model makes vectors: nothing else in a body
// tells Titan's two kinds of models apart.
func embeds(model string) bool { return strings.Contains(strings.ToLower(model), "embed") }

func output(model string) string {
	if embeds(model) {
		return "EMBEDDING"
	}
	return "TEXT"
}

// appendModel writes what is known of a model.
func appendModel(b []byte, m *routerv1.Model) []byte {
	b = append(b, `{"modelArn":"arn:aws:bedrock:tollgate::foundation-model/`...)
	b = jsonscan.AppendEscaped(b, m.GetId())
	b = append(b, `","modelId":`...)
	b = jsonscan.AppendString(b, m.GetId())
	b = append(b, `,"modelName":`...)
	b = jsonscan.AppendString(b, m.GetId())
	if maker := vendor(m.GetId()); maker != "" {
		b = append(b, `,"providerName":`...)
		b = jsonscan.AppendString(b, maker)
	}
	b = append(b, `,"inputModalities":["TEXT"`...)
	for _, kind := range m.GetInputModalities() {
		if kind == "image" { // the rest has no name here
			b = append(b, `,"IMAGE"`...)
		}
	}
	b = append(b, `],"outputModalities":["`...)
	b = append(b, output(m.GetId())...)
	b = append(b, `"],"responseStreamingSupported":`...)
	if embeds(m.GetId()) {
		b = append(b, "false"...)
	} else {
		b = append(b, "true"...)
	}
	b = append(b, `,"customizationsSupported":[],"inferenceTypesSupported":["ON_DEMAND"],"modelLifecycle":{"status":"`...)
	if day := m.GetRetireDate(); day != "" {
		b = append(b, `LEGACY","endOfLifeTime":"`...)
		b = jsonscan.AppendEscaped(b, day)
		return append(b, `T00:00:00Z"}}`...)
	}
	return append(b, `ACTIVE"}}`...)
}

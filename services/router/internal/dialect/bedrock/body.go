package bedrock

import (
	"net/http"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// format is the wire format of a body of InvokeModel. Nothing names it but the
// body itself: the model's name is a route's, and may say anything.
type format int

const (
	formatUnknown format = iota
	formatAnthropic
	formatTitanText
	formatTitanEmbed
	formatCohereEmbed
)

// formatOf finds the format of a body by its members. What is no JSON object
// gets the format of the model that is the likeliest, whose reader refuses it.
func formatOf(body []byte, model string) format {
	s := jsonscan.Scanner{Data: body}
	var prompt, text, embed bool
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "anthropic_version", "messages":
			return formatAnthropic
		case "texts", "input_type":
			return formatCohereEmbed
		case "inputText":
			prompt = true
		case "textGenerationConfig":
			text = true
		case "dimensions", "normalize", "embeddingTypes":
			embed = true
		}
		s.Skip()
	}
	fault := s.Finish()
	switch {
	case !prompt && fault == nil:
		return formatUnknown
	case fault != nil && !strings.Contains(model, "titan"):
		return formatAnthropic
	case embed || !text && embeds(model):
		return formatTitanEmbed
	default:
		return formatTitanText
	}
}

func errUnknownFormat() error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED,
		"the body is in a format that is not taken here: Anthropic's messages, Titan's inputText and Cohere's texts are; Converse reaches every model").WithField("body")
}

// refused are the headers of InvokeModel that ask for something of Amazon's that
// the gateway cannot ask of every target, with the value that asks for nothing.
var refused = map[string]struct{ parameter, nothing string }{
	"X-Amzn-Bedrock-Guardrailidentifier":       {"guardrailIdentifier", ""},
	"X-Amzn-Bedrock-Guardrailversion":          {"guardrailVersion", ""},
	"X-Amzn-Bedrock-Trace":                     {"trace", "DISABLED"},
	"X-Amzn-Bedrock-Performanceconfig-Latency": {"performanceConfigLatency", "standard"},
	"X-Amzn-Bedrock-Service-Tier":              {"serviceTier", "default"},
}

func checkHeaders(h http.Header) error {
	for name, r := range refused {
		if value := h.Get(name); value != "" && value != r.nothing {
			return errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "%s cannot be carried", r.parameter).WithField(r.parameter)
		}
	}
	return nil
}

// Bounds of labels: those of the canonical form.
const (
	maxLabels     = 32
	maxLabelName  = 64
	maxLabelValue = 512
)

// labels reads the caller's labels, a JSON object of strings in a header.
func labels(h http.Header) (map[string]string, error) {
	text := h.Get("X-Amzn-Bedrock-Request-Metadata")
	if text == "" {
		return nil, nil
	}
	at := &jsonscan.Path{Name: "requestMetadata"}
	s := jsonscan.Scanner{Data: []byte(text)}
	out := map[string]string{}
	for s.Open('{'); s.Next('}'); {
		name := string(s.Key())
		if s.Peek() != '"' {
			return nil, at.Invalid("must be an object of strings")
		}
		out[name] = s.Value(s.Text())
		if len(out) > maxLabels || name == "" || len(name) > maxLabelName || len(out[name]) > maxLabelValue {
			return nil, at.Invalid("must have at most %d labels, with names of 1 to %d and values of at most %d bytes", maxLabels, maxLabelName, maxLabelValue)
		}
	}
	if err := s.Finish(); err != nil {
		return nil, at.Invalid("%s", err)
	}
	return out, nil
}

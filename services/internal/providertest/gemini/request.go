package gemini

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// request is a request for content, as far as the fake reads it. A member that
// is not here is refused.
type request struct {
	Model             string            `json:"model"`
	Contents          []content         `json:"contents"`
	SystemInstruction *content          `json:"systemInstruction"`
	Tools             []tool            `json:"tools"`
	ToolConfig        toolConfig        `json:"toolConfig"`
	GenerationConfig  generationConfig  `json:"generationConfig"`
	SafetySettings    []json.RawMessage `json:"safetySettings"`
	CachedContent     string            `json:"cachedContent"`
	Labels            map[string]string `json:"labels"`
	ServiceTier       string            `json:"serviceTier"`
	Store             *bool             `json:"store"`

	asked  providertest.Asked
	read   strings.Builder
	called []functionCall // calls that wait for a response
}

type content struct {
	Role  string `json:"role"`
	Parts []part `json:"parts"`
}

type part struct {
	Text             *string           `json:"text"`
	InlineData       *blob             `json:"inlineData"`
	FileData         *fileData         `json:"fileData"`
	FunctionCall     *functionCall     `json:"functionCall"`
	FunctionResponse *functionResponse `json:"functionResponse"`
	Thought          bool              `json:"thought"`
	ThoughtSignature string            `json:"thoughtSignature"`
	VideoMetadata    json.RawMessage   `json:"videoMetadata"`
	MediaResolution  json.RawMessage   `json:"mediaResolution"`
}

type blob struct {
	MIMEType    string `json:"mimeType"`
	Data        string `json:"data"`
	DisplayName string `json:"displayName"`
}

type fileData struct {
	MIMEType    string `json:"mimeType"`
	FileURI     string `json:"fileUri"`
	DisplayName string `json:"displayName"`
}

type functionCall struct {
	ID   string         `json:"id"`
	Name string         `json:"name"`
	Args map[string]any `json:"args"`
}

type functionResponse struct {
	ID       string          `json:"id"`
	Name     string          `json:"name"`
	Response json.RawMessage `json:"response"`
	Parts    []part          `json:"parts"`
}

type tool struct {
	FunctionDeclarations []declaration   `json:"functionDeclarations"`
	GoogleSearch         json.RawMessage `json:"googleSearch"`
	CodeExecution        json.RawMessage `json:"codeExecution"`
	URLContext           json.RawMessage `json:"urlContext"`
}

type declaration struct {
	Name                 string          `json:"name"`
	Description          string          `json:"description"`
	Behavior             string          `json:"behavior"`
	Parameters           json.RawMessage `json:"parameters"`
	ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema"`
	Response             json.RawMessage `json:"response"`
	ResponseJSONSchema   json.RawMessage `json:"responseJsonSchema"`
}

type toolConfig struct {
	FunctionCallingConfig struct {
		Mode                 string   `json:"mode"`
		AllowedFunctionNames []string `json:"allowedFunctionNames"`
	} `json:"functionCallingConfig"`
	RetrievalConfig json.RawMessage `json:"retrievalConfig"`
}

type generationConfig struct {
	Temperature        *float64        `json:"temperature"`
	TopP               *float64        `json:"topP"`
	TopK               *float64        `json:"topK"`
	CandidateCount     int             `json:"candidateCount"`
	MaxOutputTokens    *int            `json:"maxOutputTokens"`
	StopSequences      []string        `json:"stopSequences"`
	ResponseMIMEType   string          `json:"responseMimeType"`
	ResponseSchema     json.RawMessage `json:"responseSchema"`
	ResponseJSONSchema json.RawMessage `json:"responseJsonSchema"`
	ResponseModalities []string        `json:"responseModalities"`
	ResponseLogprobs   bool            `json:"responseLogprobs"`
	Logprobs           *int            `json:"logprobs"`
	PresencePenalty    *float64        `json:"presencePenalty"`
	FrequencyPenalty   *float64        `json:"frequencyPenalty"`
	Seed               *int            `json:"seed"`
	MediaResolution    string          `json:"mediaResolution"`
	SpeechConfig       json.RawMessage `json:"speechConfig"`
	AudioTimestamp     bool            `json:"audioTimestamp"`
	ThinkingConfig     *struct {
		IncludeThoughts bool   `json:"includeThoughts"`
		ThinkingBudget  *int   `json:"thinkingBudget"`
		ThinkingLevel   string `json:"thinkingLevel"`
	} `json:"thinkingConfig"`
}

// decode reads a body into a value. The API takes names in camel case and in
// snake case, and no others.
func decode(raw []byte, strict bool, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return invalid("Invalid JSON payload received.")
	}
	d = json.NewDecoder(bytes.NewReader(providertest.Marshal(camel(tree))))
	if strict {
		d.DisallowUnknownFields()
	}
	err := d.Decode(into)
	var at *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &at):
		return invalid("Invalid value at '%s' (%s), %s", at.Field, at.Type, at.Value)
	default: // json: unknown field "x"
		return invalid("Invalid JSON payload received. Unknown name %s: Cannot find field.", strings.TrimPrefix(err.Error(), "json: unknown field "))
	}
}

// opaque members hold names that are not the API's.
var opaque = map[string]bool{
	"args": true, "response": true, "properties": true, "parametersJsonSchema": true,
	"responseJsonSchema": true, "labels": true, "default": true, "example": true,
}

// camel writes the names of members in camel case.
func camel(value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			words := strings.Split(name, "_")
			for i, word := range words[1:] {
				if word != "" {
					words[i+1] = strings.ToUpper(word[:1]) + word[1:]
				}
			}
			name = strings.Join(words, "")
			if properties, ok := member.(map[string]any); ok && name == "properties" {
				for key, schema := range properties {
					properties[key] = camel(schema)
				}
			} else if !opaque[name] {
				member = camel(member)
			}
			out[name] = member
		}
		return out
	case []any:
		for i := range v {
			v[i] = camel(v[i])
		}
	}
	return value
}

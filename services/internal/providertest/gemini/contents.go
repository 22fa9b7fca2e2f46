package gemini

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// signature proves that a thought is the fake's own.
var signature = providertest.Signature("gemini")

// skipSignature are what the API takes for the signature of a call that it did not make.
var skipSignature = []string{"skip_thought_signature_validator", "context_engineering_is_the_way_to_go"}

var mediaTypes = regexp.MustCompile(`^(image/(png|jpeg|webp|heic|heif)|application/pdf|text/[a-z-]+|audio/[a-z0-9-]+|video/[a-z0-9-]+)$`)

func (r *request) checkContents() error {
	if len(r.Contents) == 0 {
		return invalid("* GenerateContentRequest.contents: contents is not specified")
	}
	for i, c := range r.Contents {
		if c.Role != "user" && c.Role != "model" && (c.Role != "" || len(r.Contents) > 1) {
			return invalid("Please use a valid role: user, model.")
		}
		if len(c.Parts) == 0 {
			return invalid("* GenerateContentRequest.contents[%d].parts: contents.parts must not be empty.", i)
		}
		if err := r.checkContent(c); err != nil {
			return err
		}
	}
	if len(r.called) > 0 {
		return invalid("Please ensure that every function call turn is followed by a function response turn.")
	}
	return nil
}

func (r *request) checkContent(c content) error {
	var said []string
	waiting, calls := r.called, []functionCall(nil)
	responses := 0
	r.asked.Results = nil
	for _, p := range c.Parts {
		if err := p.checkKind(); err != nil {
			return err
		}
		switch {
		case p.FunctionCall != nil:
			if c.Role != "model" || p.FunctionCall.Name == "" {
				return invalid("Please ensure that function call turns are of role model and have a name.")
			}
			if newest(r.asked.Model) && len(calls) == 0 && p.ThoughtSignature == "" {
				return invalid("Function call is missing a thought_signature in functionCall parts. Function call `%s`.", p.FunctionCall.Name)
			}
			calls = append(calls, *p.FunctionCall)
			r.asked.Calls++
			r.reads(p.FunctionCall.Name + " " + string(providertest.Marshal(p.FunctionCall.Args)))
		case p.FunctionResponse != nil:
			if responses >= len(waiting) || waiting[responses].Name != p.FunctionResponse.Name || waiting[responses].ID != p.FunctionResponse.ID {
				return invalid("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
			}
			responses++
			if err := r.checkResponse(p.FunctionResponse); err != nil {
				return err
			}
		case p.Text != nil && !p.Thought:
			said = append(said, *p.Text)
			r.reads(*p.Text)
		default:
			if err := r.checkMedia(p); err != nil {
				return err
			}
		}
	}
	if responses != len(waiting) {
		return invalid("Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn.")
	}
	r.called = calls
	if c.Role != "model" && len(said) > 0 {
		r.asked.Last = strings.Join(said, "\n")
	}
	return nil
}

// standard turns base64 for URLs, which some SDKs write, into the usual one.
var standard = strings.NewReplacer("-", "+", "_", "/")

// checkKind checks that a part is exactly one thing, and its signature the fake's.
func (p part) checkKind() error {
	n := 0
	for _, is := range []bool{p.Text != nil, p.InlineData != nil, p.FileData != nil, p.FunctionCall != nil, p.FunctionResponse != nil} {
		if is {
			n++
		}
	}
	if n != 1 && (n > 1 || p.ThoughtSignature == "") {
		return invalid("* GenerateContentRequest.contents.parts.data: required oneof field 'data' must have one initialized field")
	}
	if p.ThoughtSignature == "" || standard.Replace(p.ThoughtSignature) == signature {
		return nil
	}
	for _, skip := range skipSignature { // plain, or as SDKs write bytes
		if p.ThoughtSignature == skip || p.ThoughtSignature == base64.StdEncoding.EncodeToString([]byte(skip)) {
			return nil
		}
	}
	return invalid("Thought signature is not valid.")
}

func (r *request) checkResponse(f *functionResponse) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(f.Response, &members) != nil || members == nil {
		return invalid("Invalid value at 'contents.parts.function_response.response' (type.googleapis.com/google.protobuf.Struct)")
	}
	text := string(f.Response)
	for _, member := range members { // {"result": "…"} and the like are quoted without their wrapper
		var inner string
		if len(members) == 1 && json.Unmarshal(member, &inner) == nil {
			text = inner
		}
	}
	if _, failed := members["error"]; failed {
		text = "error: " + text
	}
	r.asked.Results = append(r.asked.Results, text)
	r.reads(text)
	for _, p := range f.Parts {
		if err := r.checkMedia(p); err != nil {
			return err
		}
	}
	return nil
}

// checkMedia notes what a part shows.
func (r *request) checkMedia(p part) error {
	switch {
	case p.InlineData != nil:
		raw, ok := providertest.Base64(standard.Replace(p.InlineData.Data))
		if !ok {
			return invalid("Invalid value at 'contents.parts.inline_data.data' (TYPE_BYTES), Base64 decoding failed")
		}
		if !mediaTypes.MatchString(p.InlineData.MIMEType) {
			return invalid("Unsupported MIME type: %s", p.InlineData.MIMEType)
		}
		r.asked.Seen = append(r.asked.Seen, providertest.Media(p.InlineData.MIMEType, raw))
	case p.FileData != nil:
		if p.FileData.FileURI == "" {
			return invalid("Unsupported file uri type")
		}
		r.asked.Seen = append(r.asked.Seen, "what is at "+p.FileData.FileURI)
	}
	return nil
}

package bedrock

import (
	"net/http"
	"strconv"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
)

// invoke answers InvokeModel.
func (h *Handler) invoke(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	body, spoken, err := h.read(w, r)
	if err != nil {
		return err
	}
	switch spoken {
	case formatTitanEmbed:
		return h.embedTitan(w, r, caller, body)
	case formatCohereEmbed:
		return h.embedCohere(w, r, caller, body)
	}
	call, f, err := h.call(r, caller, body, spoken, false)
	if err != nil {
		return err
	}
	return h.Generate(w, r, call, func(result *pipeline.Result) []byte {
		input, output := f.tokens(result.Answer.Completion.GetUsage())
		setTokens(w.Header(), input, output)
		return f.encode(result)
	})
}

// invokeStream answers InvokeModelWithResponseStream.
func (h *Handler) invokeStream(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	body, spoken, err := h.read(w, r)
	if err != nil {
		return err
	}
	call, f, err := h.call(r, caller, body, spoken, true)
	if err != nil {
		return err
	}
	w.Header().Set("X-Amzn-Bedrock-Content-Type", dialect.JSON)
	return h.Stream(w, r, call, converse.MediaType, newFrames(f))
}

// read reads a body and finds its format.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, format, error) {
	if err := checkHeaders(r.Header); err != nil {
		return nil, 0, err
	}
	body, err := bodyOf(w, r)
	if err != nil {
		return nil, 0, err
	}
	return body, formatOf(body, modelOf(r)), nil
}

// call makes a call of a body.
func (h *Handler) call(r *http.Request, caller *auth.Principal, body []byte, spoken format, stream bool) (*pipeline.Call, *family, error) {
	f, ok := families[spoken]
	if !ok {
		return nil, f, errUnknownFormat()
	}
	call, err := h.Call(r, caller)
	if err != nil {
		return nil, f, err
	}
	if call.Native, call.Conversation, err = f.parse(body, modelOf(r), stream); err != nil {
		return nil, f, err
	}
	given, err := labels(r.Header)
	if given != nil {
		call.Conversation.Metadata = given
	}
	return call, f, err
}

// setTokens counts in headers, as Bedrock does.
func setTokens(h http.Header, input, output int64) {
	h.Set("X-Amzn-Bedrock-Input-Token-Count", strconv.FormatInt(input, 10))
	h.Set("X-Amzn-Bedrock-Output-Token-Count", strconv.FormatInt(output, 10))
}

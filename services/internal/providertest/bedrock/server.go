// Package bedrock is a provider for tests that speaks the API of AWS Bedrock:
// Converse, its event stream, the embeddings of InvokeModel, and the lists of
// the control plane. It refuses what the real one refuses.
package bedrock

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

// Models that misbehave as only Bedrock does.
const (
	NotReady    = "not-ready"    // 429 ModelNotReadyException
	ModelFailed = "model-failed" // 424 ModelErrorException
	Quota       = "quota"        // 400 ServiceQuotaExceededException
	NoOnDemand  = "no-on-demand" // 400: only an inference profile reaches the model
)

// Server is the provider: data plane and control plane. Its fields may be set
// before the first request; Key is the bearer key.
type Server struct {
	*providertest.Host
	// Secrets are the secret keys by access key.
	Secrets map[string]string
	// Models and Profiles are what the control plane lists.
	Models   []Model
	Profiles []Profile
}

// New starts a server and stops it with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{
		Secrets: map[string]string{awstest.AccessKey: awstest.Secret},
		Models:  defaultModels(), Profiles: defaultProfiles(),
	}
	mux := http.NewServeMux()
	s.Host = providertest.NewHost(t, mux)
	mux.HandleFunc("/", s.Recorded(inPath, s.serve))
	return s
}

// BaseURL is where the API begins.
func (s *Server) BaseURL() string { return s.URL }

// place takes an address apart: /model/{id}/{verb}. The id may be an escaped ARN.
func place(r *http.Request) (model, verb string) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/model/")
	if !ok {
		return "", ""
	}
	id, verb, _ := strings.Cut(rest, "/")
	model, err := url.PathUnescape(id)
	if err != nil {
		return "", ""
	}
	return model, verb
}

func inPath(r *http.Request, _ []byte) (model string, stream bool) {
	model, verb := place(r)
	return model, verb == "converse-stream"
}

// exchange is one request with its answer.
type exchange struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	rec   *providertest.Recorded
	model string
}

var verbs = map[string]func(*exchange) *awstest.Fault{
	"converse":        (*exchange).converse,
	"converse-stream": (*exchange).converse,
	"invoke":          (*exchange).invoke,
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, rec *providertest.Recorded) {
	e := &exchange{Server: s, w: w, r: r, rec: rec, model: rec.Model}
	w.Header().Set("X-Amzn-Requestid", "fake-request")
	door := awstest.Door{Service: "bedrock", Secrets: s.Secrets, Bearer: s.Key}
	region, fault := door.Check(r, rec.Body)
	_, verb := place(r)
	handle, known := verbs[verb]
	switch {
	case fault != nil:
	case r.Method == http.MethodGet:
		fault = e.control(region)
	case r.Method != http.MethodPost || !known || e.model == "":
		fault = &awstest.Fault{Status: http.StatusNotFound, Kind: "UnknownOperationException"}
	case !json.Valid(rec.Body):
		fault = &awstest.Fault{Status: http.StatusBadRequest, Kind: "SerializationException", Message: "Unexpected token"}
	case !e.refuse():
		fault = handle(e)
	}
	if fault != nil {
		fault.Write(w)
	}
}

func invalid(message string) *awstest.Fault {
	return &awstest.Fault{Status: http.StatusBadRequest, Kind: "ValidationException", Message: message}
}

// refusals is how the API says a misbehaviour; all of it leaks.
var refusals = map[string]awstest.Fault{
	providertest.RateLimited:     {Status: 429, Kind: "ThrottlingException", Message: "Too many requests, please wait before trying again."},
	providertest.ServerError:     {Status: 500, Kind: "InternalServerException", Message: "The system encountered an unexpected error during processing."},
	providertest.Overloaded:      {Status: 503, Kind: "ServiceUnavailableException", Message: "Bedrock is unable to process your request."},
	providertest.TimedOut:        {Status: 408, Kind: "ModelTimeoutException", Message: "Model has timed out in processing the request."},
	providertest.Unauthorized:    {Status: 403, Kind: "UnrecognizedClientException", Message: "The security token included in the request is invalid."},
	providertest.Forbidden:       {Status: 403, Kind: "AccessDeniedException", Message: "You don't have access to the model with the specified model ID."},
	providertest.Missing:         {Status: 404, Kind: "ResourceNotFoundException", Message: "Could not resolve the foundation model from the provided model identifier."},
	providertest.TooLarge:        {Status: 413, Kind: "RequestEntityTooLargeException", Message: "Request exceeds the maximum size."},
	providertest.ContextExceeded: {Status: 400, Kind: "ValidationException", Message: "Input is too long for requested model."},
	providertest.Rejected:        {Status: 400, Kind: "ValidationException", Message: "1 validation error detected: Value '9' at 'inferenceConfig.temperature' failed to satisfy constraint"},
	NotReady:                     {Status: 429, Kind: "ModelNotReadyException", Message: "Model is not ready for inference. Wait and try your request again."},
	ModelFailed:                  {Status: 424, Kind: "ModelErrorException", Message: "The model returned an error."},
	Quota:                        {Status: 400, Kind: "ServiceQuotaExceededException", Message: "Your request exceeds the service quota for your account."},
	NoOnDemand:                   {Status: 400, Kind: "ValidationException", Message: "Invocation of model ID with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."},
}

// refuse misbehaves before an answer; it says whether it did.
func (e *exchange) refuse() bool {
	return e.Refuse(e.w, e.r, e.model, func(behaviour string) bool {
		how, ok := refusals[providertest.RetryAfter(e.w.Header(), behaviour)]
		if !ok {
			return false
		}
		how.Leaking().Write(e.w)
		return true
	})
}

// faultf is what is wrong with a request, in the words of the API, which are
// sentences.
func faultf(format string, args ...any) error { return fmt.Errorf(format, args...) }

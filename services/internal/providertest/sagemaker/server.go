// Package sagemaker is a provider for tests that speaks the runtime API of AWS
// SageMaker, in front of a container with OpenAI's schema. An endpoint's name
// chooses how it behaves.
package sagemaker

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
)

// Endpoints that misbehave as only SageMaker does.
const (
	NotReady       = "not-ready"       // 429 ModelNotReadyException
	InternalStream = "internal-stream" // InternalStreamFailure within the answer
)

// account is whose endpoints these are.
const account = "123456789012"

// Server is the provider. Its fields may be set before the first request.
type Server struct {
	*providertest.Host
	// Secrets are the secret keys by access key.
	Secrets map[string]string
}

// New starts a server and stops it with the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{Secrets: map[string]string{awstest.AccessKey: awstest.Secret}}
	mux := http.NewServeMux()
	s.Host = providertest.NewHost(t, mux)
	mux.HandleFunc("POST /endpoints/{name}/invocations", s.Recorded(endpoint, s.checked(s.invoke)))
	mux.HandleFunc("POST /endpoints/{name}/invocations-response-stream", s.Recorded(endpoint, s.checked(s.stream)))
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		(&awstest.Fault{Status: http.StatusNotFound, Kind: "UnknownOperationException"}).Write(w)
	})
	return s
}

// BaseURL is where the API begins.
func (s *Server) BaseURL() string { return s.URL }

func endpoint(r *http.Request, _ []byte) (model string, stream bool) {
	return r.PathValue("name"), strings.HasSuffix(r.URL.Path, "-response-stream")
}

type handler = func(http.ResponseWriter, *http.Request, *providertest.Recorded)

// checked asks for a signature, and misbehaves where SageMaker itself does.
func (s *Server) checked(handle handler) handler {
	return func(w http.ResponseWriter, r *http.Request, rec *providertest.Recorded) {
		door := awstest.Door{Service: "sagemaker", Secrets: s.Secrets, NoBearer: true}
		if _, fault := door.Check(r, rec.Body); fault != nil {
			fault.Write(w)
			return
		}
		refused := s.Refuse(w, r, rec.Model, func(behaviour string) bool {
			how, ok := refusals[behaviour]
			if ok {
				how.Leaking().Write(w)
			}
			return ok
		})
		if !refused {
			handle(w, r, rec)
		}
	}
}

// refusals is how SageMaker says a misbehaviour; what the container refuses is
// not here. Throttling is a bad request in this API, and so is an endpoint that
// does not exist.
var refusals = map[string]awstest.Fault{
	providertest.RateLimited:  {Status: 400, Kind: "ThrottlingException", Message: "Rate exceeded"},
	providertest.ServerError:  {Status: 500, Kind: "InternalFailure", Message: "An internal failure occurred."},
	providertest.Overloaded:   {Status: 503, Kind: "ServiceUnavailable", Message: "The service is unavailable. Try your call again."},
	providertest.Unauthorized: {Status: 403, Kind: "UnrecognizedClientException", Message: "The security token included in the request is invalid."},
	providertest.Forbidden:    {Status: 403, Kind: "AccessDeniedException", Message: "User is not authorized to perform: sagemaker:InvokeEndpoint"},
	providertest.Missing:      {Status: 400, Kind: "ValidationError", Message: "Endpoint missing of account " + account + " not found."},
	providertest.TooLarge:     {Status: 413, Kind: "ValidationError", Message: "Request exceeds the maximum allowed size of 26214400 bytes."},
	providertest.TimedOut: {
		Status: 424, Kind: "ModelError", Message: "Your invocation timed out while waiting for a response from container primary.",
		Members: map[string]any{"OriginalStatusCode": 0, "OriginalMessage": ""},
	},
	NotReady: {Status: 429, Kind: "ModelNotReadyException", Message: "The model is not ready to serve inference requests."},
}

// invoke passes the container's answer on.
func (s *Server) invoke(w http.ResponseWriter, r *http.Request, rec *providertest.Recorded) {
	c := &container{ResponseWriter: w}
	c.Header().Set("X-Amzn-Invoked-Production-Variant", "AllTraffic")
	s.OpenAI(c, r, rec)
	c.finish()
}

// inStream are the misbehaviours that are an event stream's, not the container's.
var inStream = map[string]bool{
	providertest.ErrorInStream: true, InternalStream: true, awstest.BadCRC: true, awstest.BadPrelude: true,
	awstest.Unmodelled: true, awstest.UnknownEvent: true,
}

// stream sends the container's answer in the parts of an event stream.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, rec *providertest.Recorded) {
	c := &container{ResponseWriter: w, parts: &parts{host: s.Host, r: r, model: rec.Model}}
	inside := *rec
	if inStream[providertest.Behaviour(rec.Model)] {
		inside.Model = "container"
	}
	s.OpenAI(c, r, &inside)
	c.finish()
}

package router

import (
	"net/http"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/dialect/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/dialect/bedrock"
	"github.com/tollgate/tollgate/services/router/internal/dialect/gemini"
	"github.com/tollgate/tollgate/services/router/internal/dialect/openai"
	"github.com/tollgate/tollgate/services/router/internal/server"
)

// MetadataRequestID is where the edge of this process names a request.
const MetadataRequestID = server.MetadataRequestID

// Mount puts the client dialects on the HTTP edge.
func (s *Service) Mount(mux *http.ServeMux, authenticator *auth.Authenticator) {
	openai.New(s.pipeline, authenticator, s.openaiOptions()...).Register(mux)
	anthropic.New(s.pipeline, authenticator).Register(mux)
	bedrock.New(s.pipeline, authenticator).Register(mux)
	gemini.New(s.pipeline, authenticator).Register(mux)
}

func (s *Service) openaiOptions() []openai.Option {
	options := []openai.Option{openai.WithModerator(s.pipeline)}
	if s.keeper != nil {
		options = append(options, openai.WithResponses(s.keeper, s.log))
	}
	return options
}

package router

import (
	"github.com/tollgate/tollgate/services/router/internal/capability"
	"github.com/tollgate/tollgate/services/router/internal/provider/anthropic"
	"github.com/tollgate/tollgate/services/router/internal/provider/awsauth"
	"github.com/tollgate/tollgate/services/router/internal/provider/bedrock"
	"github.com/tollgate/tollgate/services/router/internal/provider/builtin"
	"github.com/tollgate/tollgate/services/router/internal/provider/gemini"
	"github.com/tollgate/tollgate/services/router/internal/provider/openaicompat"
	"github.com/tollgate/tollgate/services/router/internal/provider/sagemaker"
	"github.com/tollgate/tollgate/services/router/internal/target"
)

// kinds are the providers that come with the service.
func kinds() map[string]target.Kind {
	return map[string]target.Kind{
		"openai": {
			New: openaicompat.NewOpenAI, Dialect: "openai", Validate: openaicompat.Validate,
		},
		"openai-compatible": {New: openaicompat.New, Dialect: "openai", NeedsURL: true, Validate: openaicompat.Validate},
		"azure":             {New: openaicompat.NewAzure, Dialect: "openai", NeedsURL: true, Validate: openaicompat.ValidateAzure},
		"perplexity": {
			New: openaicompat.NewPerplexity, Dialect: "openai", Lacks: openaicompat.PerplexityLacks, Validate: openaicompat.Validate,
		},
		"anthropic": {
			New: anthropic.New, Dialect: "anthropic", Lacks: capability.Embeddings,
		},
		"gemini":    {New: gemini.New, Dialect: "gemini", Validate: gemini.Validate},
		"vertex":    {New: gemini.NewVertex, Dialect: "gemini", Validate: gemini.ValidateVertex, Unchecked: true},
		"bedrock":   {New: bedrock.New, Dialect: "converse", Validate: awsauth.Validate},
		"sagemaker": {New: sagemaker.New, Dialect: "openai", Validate: awsauth.Validate, Unchecked: true},
		"builtin": {
			New: builtin.New, Lacks: capability.Embeddings | capability.Images | capability.Documents | capability.Audio, Unchecked: true,
		},
	}
}

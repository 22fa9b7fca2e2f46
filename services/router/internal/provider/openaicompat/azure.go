package openaicompat

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// azureScope is what a token of Entra ID is asked for.
const azureScope = "https://cognitiveservices.azure.com/.default"

// Paths of a resource below its address.
const (
	azureResource    = "/openai"
	azureV1          = "/openai/v1"
	azureDeployments = "/openai/deployments/"
)

// NewAzure makes the adapter of an Azure OpenAI resource; it is a
// provider.Factory. The target's models are the resource's deployments. Without
// an api_version the resource is asked by its v1 API.
func NewAzure(t provider.Target) (provider.Adapter, error) {
	return newAzure(t, identity{})
}

// identity is how Entra ID is reached.
type identity struct {
	azcore.ClientOptions
	// known is set if the authority needs no confirmation by the public cloud.
	known bool
}

func newAzure(t provider.Target, o identity) (*Adapter, error) {
	authorise, err := azureCredential(t, o)
	if err != nil {
		return nil, err
	}
	t.BaseURL = strings.TrimSuffix(strings.TrimSuffix(strings.TrimRight(t.BaseURL, "/"), "/v1"), "/openai")
	t = strict(t)
	t.Quirks = azureQuirks(t)
	return build(t, authorise, azurePath(t.APIVersion))
}

func azurePath(version string) func(operation, model string) string {
	if version == "" {
		return func(operation, _ string) string { return azureV1 + operation }
	}
	query := "?api-version=" + url.QueryEscape(version)
	return func(operation, model string) string {
		if operation == models {
			return azureResource + operation + query
		}
		return azureDeployments + url.PathEscape(model) + operation + query
	}
}

// newerOptions is the first version that takes stream_options and
// max_completion_tokens. Versions begin with a date.
const newerOptions = "2024-09-01"

func azureQuirks(t provider.Target) provider.Quirks {
	q := t.Quirks
	if t.APIVersion != "" && t.APIVersion < newerOptions {
		q.NoStreamOptions = true
		if q.MaxTokens == "" {
			q.MaxTokens = "max_tokens"
		}
	}
	return q
}

// azureCredential sends the resource's key, or a token of Entra ID, which the
// library keeps and renews.
func azureCredential(t provider.Target, o identity) (prepare, error) {
	if !t.APIKey.IsZero() || t.APIKeyFile != "" {
		key := t.Key()
		return func(r *http.Request, _ []byte) error {
			secret, err := key.Current()
			if err == nil && !secret.IsZero() {
				r.Header.Set("Api-Key", secret.Reveal())
			}
			return err
		}, nil
	}
	credential, err := entra(t.Azure, o)
	if err != nil {
		return nil, fmt.Errorf("target %s: make azure credential: %w", t.Name, err)
	}
	return func(r *http.Request, _ []byte) error {
		token, err := credential.GetToken(r.Context(), policy.TokenRequestOptions{Scopes: []string{azureScope}})
		if err != nil {
			return noToken(r, err)
		}
		r.Header.Set("Authorization", "Bearer "+token.Token)
		return nil
	}, nil
}

func entra(a provider.Azure, o identity) (azcore.TokenCredential, error) {
	if !a.ClientSecret.IsZero() {
		return azidentity.NewClientSecretCredential(a.TenantID, a.ClientID, a.ClientSecret.Reveal(),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o.ClientOptions, DisableInstanceDiscovery: o.known})
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: o.ClientOptions, DisableInstanceDiscovery: o.known, TenantID: a.TenantID,
	})
}

// noToken is the error of a request that got no token. What the library says
// names applications and addresses; the status is enough for the log.
func noToken(r *http.Request, err error) error {
	if ctx := r.Context(); ctx.Err() != nil {
		return errs.From(ctx.Err())
	}
	cause := errors.New("entra id gave no token")
	var refused *azidentity.AuthenticationFailedError
	if errors.As(err, &refused) && refused.RawResponse != nil {
		cause = fmt.Errorf("entra id answered %d", refused.RawResponse.StatusCode)
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH, "").WithCause(cause)
}

package gemini

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// scope is what the tokens are for.
const scope = "https://www.googleapis.com/auth/cloud-platform"

// lookAgain is how often a credentials file is looked at.
const lookAgain = time.Second

// maxFile bounds what is read of a credentials file.
const maxFile = 64 << 10

// tokens gives tokens of Google Cloud. The library keeps them and asks for new
// ones before they run out; a credentials file that has changed is read again,
// so that it can be replaced without a restart.
type tokens struct {
	file string

	mu      sync.Mutex
	creds   *auth.Credentials
	err     error // of the latest look, if it failed
	looked  time.Time
	changed time.Time
}

func newTokens(g provider.Google) *tokens { return &tokens{file: g.CredentialsFile} }

// authorize puts a token on a request.
func (t *tokens) authorize(r *http.Request) error {
	creds, err := t.current()
	if err != nil {
		return refused(r.Context(), err)
	}
	token, err := creds.Token(r.Context())
	if err != nil {
		return refused(r.Context(), err)
	}
	r.Header.Set("Authorization", "Bearer "+token.Value)
	if project, err := creds.QuotaProjectID(r.Context()); err == nil && project != "" {
		r.Header.Set("X-Goog-User-Project", project)
	}
	return nil
}

// refused is the error of credentials that are of no use. What the library says
// may hold an address or an account, so only that it failed is kept.
func refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errs.From(context.Cause(ctx))
	}
	return errs.New(llmv1.ErrorReason_ERROR_REASON_PROVIDER_AUTH, "").
		WithCause(fmt.Errorf("get a token of Google Cloud: %w", withoutText(err)))
}

var errNoToken = errors.New("the credentials cannot be used")

// withoutText keeps of an error what cannot give anything away.
func withoutText(err error) error {
	var refusal *auth.Error
	if errors.As(err, &refusal) && refusal.Response != nil {
		return fmt.Errorf("the token endpoint answered %d", refusal.Response.StatusCode)
	}
	if os.IsNotExist(err) {
		return os.ErrNotExist
	}
	return errNoToken
}

// current returns the credentials. They are found at the first request, for
// that may ask the network. A file that cannot be read leaves the last good
// ones in force.
func (t *tokens) current() (*auth.Credentials, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.looked) >= lookAgain && (t.creds == nil || t.file != "") {
		creds, err := t.find()
		if err == nil {
			t.creds = creds
		}
		t.looked, t.err = time.Now(), err
	}
	if t.creds == nil {
		return nil, t.err
	}
	return t.creds, nil
}

func (t *tokens) find() (*auth.Credentials, error) {
	options := &credentials.DetectOptions{Scopes: []string{scope}}
	if t.file == "" {
		return credentials.DetectDefault(options)
	}
	info, err := os.Stat(t.file)
	if err != nil {
		return nil, err
	}
	if t.creds != nil && info.ModTime().Equal(t.changed) {
		return t.creds, nil
	}
	if info.Size() > maxFile {
		return nil, errNoToken
	}
	content, err := os.ReadFile(t.file)
	if err != nil {
		return nil, err
	}
	// The operator names the file, so its kind may be any that Google documents.
	var kind struct{ Type credentials.CredType }
	if err := json.Unmarshal(content, &kind); err != nil {
		return nil, errNoToken
	}
	creds, err := credentials.NewCredentialsFromJSON(kind.Type, content, options)
	if err == nil {
		t.changed = info.ModTime()
	}
	return creds, err
}

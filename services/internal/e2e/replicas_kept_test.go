package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
	"github.com/tollgate/tollgate/services/internal/platform/valkeytest"
	"github.com/tollgate/tollgate/services/internal/providertest"
)

// twoRouters share a Valkey, and one billing, guardrail and rag.
func twoRouters(t *testing.T, valkey *valkeytest.Server, up *providertest.Server, settings string) []*deployment {
	t.Helper()
	first := deploy(t, true, fmt.Sprintf(`
targets: [{name: up, provider: openai-compatible, base_url: %q, models: "*", retries: 0}]
routes: [{model: "*", targets: [up]}]
router: {valkey: {addr: %q, password: %q}%s}
`, up.BaseURL(), valkey.Addr, valkey.Password, settings))
	both := []*deployment{first, first.another()}
	for _, d := range both {
		d.awaitLog("routers share quotas and circuits", 1)
	}
	time.Sleep(600 * time.Millisecond) // until each has heard of the other
	return both
}

func respond(t *testing.T, d *deployment, text, previous string) (*responses.Response, error) {
	t.Helper()
	p := responses.ResponseNewParams{Model: "m", Input: responses.ResponseNewParamsInputUnion{OfString: param.NewOpt(text)}}
	if previous != "" {
		p.PreviousResponseID = param.NewOpt(previous)
	}
	client := d.sdk(d.key)
	return client.Responses.New(t.Context(), p)
}

// A response that one router made is read, gone on from and deleted at the
// other, by its owner only; while Valkey is away a follow-up is refused, for now.
func TestReplicasShareResponses(t *testing.T) {
	valkey, up := valkeytest.Start(t), providertest.New(t)
	both := twoRouters(t, valkey, up, ", responses: {store: valkey}")
	here, there := both[0], both[1]
	first, err := respond(t, here, "the word is heron", "")
	if err != nil {
		t.Fatal(err)
	}
	second, err := respond(t, there, "and now wren", first.ID)
	if err != nil {
		t.Fatalf("the other router does not go on: %v", err)
	}
	third, err := respond(t, here, "which were they", second.ID)
	if err != nil {
		t.Fatalf("the first router does not go on: %v", err)
	}
	if last := string(up.Last().Body); !strings.Contains(last, "heron") || !strings.Contains(last, "wren") {
		t.Errorf("the provider was not told what was said before: %s", last)
	}

	path := "/v1/responses/" + third.ID
	_, stranger := here.newKey(&accountv1.Key{DisplayName: "stranger"})
	for _, method := range []string{http.MethodGet, http.MethodDelete} {
		if status, body := there.restRaw(stranger, method, path, nil); status != http.StatusNotFound {
			t.Errorf("%s by a stranger: %d %s", method, status, body)
		}
	}
	if status, body := there.restRaw(there.key, http.MethodGet, path, nil); status != http.StatusOK || string(body) != third.RawJSON() {
		t.Errorf("read at the other router: %d %s", status, body)
	}
	if status, body := there.restRaw(there.key, http.MethodDelete, path, nil); status != http.StatusOK {
		t.Errorf("deleted at the other router: %d %s", status, body)
	}
	for i, d := range both {
		if status, body := d.restRaw(d.key, http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("router %d still has it: %d %s", i, status, body)
		}
	}

	valkey.Freeze(t)
	asked := up.Asked("m")
	for i, d := range both {
		_, err := respond(t, d, "go on", second.ID)
		var e *openai.Error
		if !errors.As(err, &e) || e.StatusCode != http.StatusServiceUnavailable || e.Response.Header.Get("Retry-After") == "" {
			t.Errorf("router %d without Valkey: %v", i, err)
		}
	}
	if n := up.Asked("m"); n != asked {
		t.Errorf("%d follow-ups were answered without their history", n-asked)
	}
	if lone, err := respond(t, here, "something new", ""); err != nil || !strings.Contains(lone.RawJSON(), `"store":false`) {
		t.Errorf("a new conversation without Valkey: %v", err)
	}
	valkey.Thaw(t)
	for _, d := range both {
		d.awaitLog("routers share quotas and circuits", 2)
	}
	if _, err := respond(t, there, "go on", second.ID); err != nil {
		t.Errorf("Valkey is back: %v", err)
	}
}

package openai_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/dialect/dialecttest"
	dialect "github.com/tollgate/tollgate/services/router/internal/dialect/openai"
	"github.com/tollgate/tollgate/services/router/internal/recall"
)

// moody keeps responses, or is away.
type moody struct {
	*recall.Memory
	away atomic.Bool
	gets atomic.Int64
}

func (m *moody) Put(ctx context.Context, owner, id string, data []byte) error {
	if m.away.Load() {
		return errors.New("away")
	}
	return m.Memory.Put(ctx, owner, id, data)
}

func (m *moody) Get(ctx context.Context, owner, id string) ([]byte, error) {
	m.gets.Add(1)
	if m.away.Load() {
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "").WithRetryAfter(1)
	}
	return m.Memory.Get(ctx, owner, id)
}

func (m *moody) Delete(ctx context.Context, owner, id string) (bool, error) {
	if m.away.Load() {
		return false, errs.New(llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "").WithRetryAfter(1)
	}
	return m.Memory.Delete(ctx, owner, id)
}

// keptBy is the world with another keeper.
func keptBy(t *testing.T, k dialect.Keeper) *world {
	t.Helper()
	w := newWorld(t)
	mux := http.NewServeMux()
	dialect.New(w.Gateway, dialecttest.Keys{Role: auth.RoleDeveloper}, dialect.WithResponses(k, slog.New(slog.DiscardHandler))).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// A request whose history cannot be had is refused, never answered without it.
func TestHistoryIsAway(t *testing.T) {
	keeper := &moody{Memory: keeper()}
	w := keptBy(t, keeper)
	client := sdk(w)
	first, err := client.Responses.New(t.Context(), said("m", "one"))
	if err != nil {
		t.Fatal(err)
	}
	keeper.away.Store(true)
	asked := len(w.Calls())
	for _, tc := range []struct{ method, path, body, param string }{
		{"POST", "", fmt.Sprintf(`{"model":"m","input":"two","previous_response_id":%q}`, first.ID), `"previous_response_id"`},
		{"POST", "", fmt.Sprintf(`{"model":"m","input":"two","stream":true,"previous_response_id":%q}`, first.ID), `"previous_response_id"`},
		{"POST", "", fmt.Sprintf(`{"model":"m","input":[{"type":"item_reference","id":%q}]}`, first.Output[0].ID), `"input"`},
		{"GET", "/" + first.ID, "", "null"},
		{"DELETE", "/" + first.ID, "", "null"},
	} {
		resp, got := w.do(t, tc.method, "/v1/responses"+tc.path, tc.body)
		if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(got, `"param":`+tc.param) {
			t.Errorf("%s %s: %d %s", tc.method, tc.body, resp.StatusCode, got)
		}
	}
	if n := len(w.Calls()) - asked; n > 0 {
		t.Errorf("%d requests were answered without their history", n)
	}
	keeper.away.Store(false)
	if resp, got := w.do(t, "DELETE", "/v1/responses/"+first.ID, ""); resp.StatusCode != http.StatusOK {
		t.Errorf("it is back: %d %s", resp.StatusCode, got)
	}
}

// An answer that could not be kept says so.
func TestNotKeptIsSaid(t *testing.T) {
	keeper := &moody{Memory: keeper()}
	w := keptBy(t, keeper)
	client := sdk(w)
	for _, away := range []bool{false, true} {
		keeper.away.Store(away)
		whole, err := client.Responses.New(t.Context(), said("m", "one"))
		if err != nil {
			t.Fatal(err)
		}
		live, _, err := streamed(t, w, said("m", "one"))
		if err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{whole.RawJSON(), live.RawJSON()} {
			if !strings.Contains(raw, fmt.Sprintf(`"store":%v`, !away)) {
				t.Errorf("away %v: %s", away, raw)
			}
		}
	}
}

// A response is looked for once, however often a request names it.
func TestHistoryIsReadOnce(t *testing.T) {
	keeper := &moody{Memory: keeper()}
	w := keptBy(t, keeper)
	client := sdk(w)
	first, err := client.Responses.New(t.Context(), said("m", "one"))
	if err != nil {
		t.Fatal(err)
	}
	body := func(references int) string {
		item := fmt.Sprintf(`{"type":"item_reference","id":%q},`, first.Output[0].ID)
		return fmt.Sprintf(`{"model":"m","previous_response_id":%q,"input":[%s{"role":"user","content":"two"}]}`, first.ID, strings.Repeat(item, references))
	}
	if resp, got := w.do(t, "POST", "/v1/responses", body(50)); resp.StatusCode != http.StatusOK || keeper.gets.Load() != 1 {
		t.Errorf("asked %d times: %d %s", keeper.gets.Load(), resp.StatusCode, got)
	}
	if resp, got := w.do(t, "POST", "/v1/responses", body(5000)); resp.StatusCode != http.StatusBadRequest || keeper.gets.Load() != 1 {
		t.Errorf("asked %d times: %d %.200s", keeper.gets.Load(), resp.StatusCode, got)
	}
}

package peer

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
)

// rulesTTL is how long it is believed whether an organisation has context
// rules. The first rule takes effect within this time at the latest.
const rulesTTL = 2 * time.Second

// maxOrganizations bounds of how many it is remembered.
const maxOrganizations = 4096

// Rag reaches the rag service.
type Rag struct {
	client  ragv1.RagServiceClient
	timeout time.Duration

	mu    sync.RWMutex
	rules map[string]ruled // by organisation
}

// ruled says whether there are context rules.
type ruled struct {
	any   bool
	until time.Time
}

// NewRag makes a client that waits at most timeout for an answer.
func NewRag(conn grpc.ClientConnInterface, timeout time.Duration) *Rag {
	return &Rag{client: ragv1.NewRagServiceClient(conn), timeout: timeout, rules: make(map[string]ruled)}
}

// Enrich finds what a prompt needs.
func (r *Rag) Enrich(ctx context.Context, request *ragv1.EnrichRequest) (*ragv1.EnrichResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return r.client.Enrich(ctx, request)
}

// HasRules says whether the caller's organisation has context rules. If rag
// does not answer it says yes, and Enrich meets the failure.
func (r *Rag) HasRules(ctx context.Context) bool {
	p, ok := auth.FromContext(ctx)
	if !ok {
		return true
	}
	now := time.Now()
	r.mu.RLock()
	known, ok := r.rules[p.Organization]
	r.mu.RUnlock()
	if ok && now.Before(known.until) {
		return known.any
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	response, err := r.client.ListContextRules(ctx, &ragv1.ListContextRulesRequest{PageSize: 1})
	if err != nil {
		return true
	}
	known = ruled{any: len(response.GetContextRules()) > 0, until: now.Add(rulesTTL)}
	r.mu.Lock()
	if len(r.rules) >= maxOrganizations {
		clear(r.rules)
	}
	r.rules[p.Organization] = known
	r.mu.Unlock()
	return known.any
}

package store

import (
	"errors"
	"strings"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// errNoTenant is a fault of ours: a request reached the store without the
// caller's organisation.
var errNoTenant = errors.New("request without an organisation")

// scope is the only way to a filter. All requests for points, whether they
// search, list, count or delete, begin with it.
func scope(org string, conditions ...*qdrant.Condition) (*qdrant.Filter, error) {
	if org == "" {
		return nil, errs.Internal(errNoTenant)
	}
	return &qdrant.Filter{Must: append([]*qdrant.Condition{qdrant.NewMatch(fieldOrg, org)}, conditions...)}, nil
}

// namespace is the root of all derived ids; drawn once, never to change.
var namespace = uuid.MustParse("6f6f2b3c-7f0e-4d0a-9f55-0f4f1f2a7c11")

// pointID derives an id from what identifies a thing. The parts cannot hold
// the separator, so that no two lists of parts run together.
func pointID(parts ...string) string {
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "\x00", "")
	}
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}

func documentID(org, collection, name string) string {
	return pointID("document", org, collection, name)
}

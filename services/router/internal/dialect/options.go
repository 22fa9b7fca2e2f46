package dialect

import (
	"net/http"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Headers by which a client asks something of the gateway itself.
const (
	headerCollections = "X-Tollgate-Collections"
	headerContext     = "X-Tollgate-Context"
)

// maxCollections is the most collections that a request may name.
const maxCollections = 64

// options reads what the client asks of the gateway.
func options(h http.Header) (*routerv1.RequestOptions, error) {
	out := &routerv1.RequestOptions{}
	for _, value := range h.Values(headerCollections) {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if !strings.HasPrefix(name, "collections/") {
				name = "collections/" + name
			}
			out.Collections = append(out.Collections, name)
		}
	}
	if len(out.GetCollections()) > maxCollections {
		return nil, invalidHeader(headerCollections, "must not name more than %d collections", maxCollections)
	}
	switch value := h.Get(headerContext); value {
	case "", "auto":
	case "none":
		out.NoContext = true
	default:
		return nil, invalidHeader(headerContext, "must be auto or none")
	}
	return out, nil
}

func invalidHeader(name, format string, args ...any) error {
	name = strings.ToLower(name)
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the header "+name+" "+format, args...).WithField(name)
}

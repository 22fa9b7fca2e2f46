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
	headerDecision    = "X-Tollgate-Decision"
)

// worded are the headers whose value is passed on as it is.
var worded = []struct {
	name string
	most int
	set  func(*routerv1.RequestOptions, string)
}{
	{"X-Tollgate-Residency", 32, func(o *routerv1.RequestOptions, v string) { o.Residency = v }},
	{"X-Tollgate-Compliance", 64, func(o *routerv1.RequestOptions, v string) { o.Compliance = v }},
	{"X-Tollgate-Task", 64, func(o *routerv1.RequestOptions, v string) { o.Task = v }},
	{"X-Tollgate-Session", 256, func(o *routerv1.RequestOptions, v string) { o.Session = v }},
	{"X-Tollgate-User-Location", 2, func(o *routerv1.RequestOptions, v string) { o.UserLocation = v }},
}

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
	for _, w := range worded {
		value := h.Get(w.name)
		if len(value) > w.most {
			return nil, invalidHeader(w.name, "must not be longer than %d characters", w.most)
		}
		w.set(out, value)
	}
	out.IncludeDecision = h.Get(headerDecision) == "true"
	var err error
	if out.Cache, err = cacheControl(h); err != nil {
		return nil, err
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

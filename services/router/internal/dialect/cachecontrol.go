package dialect

import (
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
)

// cacheModes are the words of the header X-Tollgate-Cache.
var cacheModes = map[string]routerv1.CacheControl_Mode{
	"on":       routerv1.CacheControl_MODE_ON,
	"off":      routerv1.CacheControl_MODE_OFF,
	"refresh":  routerv1.CacheControl_MODE_REFRESH,
	"no-store": routerv1.CacheControl_MODE_NO_STORE,
}

// cacheControl reads what the client wants of the response cache: our own
// header, or else HTTP's. Nil if it says nothing.
func cacheControl(h http.Header) (*routerv1.CacheControl, error) {
	if own := h.Get(headerCache); own != "" {
		return ownCacheControl(own)
	}
	var noStore, noCache bool
	for _, value := range h.Values("Cache-Control") {
		for word := range strings.SplitSeq(value, ",") {
			word = strings.TrimSpace(word)
			noStore = noStore || strings.EqualFold(word, "no-store")
			noCache = noCache || strings.EqualFold(word, "no-cache")
		}
	}
	switch {
	case noStore && noCache:
		return &routerv1.CacheControl{Mode: routerv1.CacheControl_MODE_OFF}, nil
	case noStore:
		return &routerv1.CacheControl{Mode: routerv1.CacheControl_MODE_NO_STORE}, nil
	case noCache:
		return &routerv1.CacheControl{Mode: routerv1.CacheControl_MODE_REFRESH}, nil
	default:
		return nil, nil
	}
}

// ownCacheControl reads a mode, a time, or both: "on, ttl=60s".
func ownCacheControl(value string) (*routerv1.CacheControl, error) {
	out := &routerv1.CacheControl{}
	for word := range strings.SplitSeq(value, ",") {
		word = strings.ToLower(strings.TrimSpace(word))
		if text, ok := strings.CutPrefix(word, "ttl="); ok {
			ttl, err := time.ParseDuration(text)
			if err != nil || ttl <= 0 {
				return nil, invalidHeader(headerCache, "has a ttl that is no time, such as 60s")
			}
			out.Ttl = durationpb.New(ttl)
			continue
		}
		mode, ok := cacheModes[word]
		if !ok || out.Mode != 0 {
			return nil, invalidHeader(headerCache, "must be on, off, refresh or no-store, with or without a time: on, ttl=60s")
		}
		out.Mode = mode
	}
	return out, nil
}

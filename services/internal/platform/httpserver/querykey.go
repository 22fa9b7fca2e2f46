package httpserver

import (
	"net/http"
	"net/url"
	"strings"
)

// headerQueryKey is where a key from the query goes: the header that the SDKs
// which put it there use as well.
const headerQueryKey = "X-Goog-Api-Key"

// withoutQueryKey takes the parameter key, in which Google's clients send their
// key, out of the URL before anything that traces, logs or answers can see it,
// and puts it into a header. A key that is in the header already stays. No path
// has a parameter of that name with another meaning.
func withoutQueryKey(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if query, key, found := cutKey(r.URL.RawQuery); found {
			r = withQuery(r, query)
			if key != "" && r.Header.Get(headerQueryKey) == "" {
				r.Header.Set(headerQueryKey, key)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// cutKey returns a query without its parameters key, and the first value of one
// that is not empty. The rest stays as it is written. Semicolons divide too:
// net/http says no to them later on, but what stands behind one may be a key.
func cutKey(query string) (rest, key string, found bool) {
	if !mayHaveKey(query) {
		return query, "", false
	}
	parts := strings.FieldsFunc(query, func(c rune) bool { return c == '&' || c == ';' })
	kept := parts[:0]
	for _, part := range parts {
		name, value, _ := strings.Cut(part, "=")
		if !strings.EqualFold(unescaped(name), "key") {
			kept = append(kept, part)
			continue
		}
		found = true
		if key == "" {
			key = unescaped(value)
		}
	}
	if !found {
		return query, "", false
	}
	return strings.Join(kept, "&"), key, true
}

// mayHaveKey spares most queries the dissection.
func mayHaveKey(query string) bool {
	return strings.Contains(query, "%") || strings.Contains(strings.ToLower(query), "key")
}

func unescaped(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

// withQuery is the request with another query, wherever a request holds one.
func withQuery(r *http.Request, query string) *http.Request {
	r = r.WithContext(r.Context()) // a copy
	u := *r.URL
	u.RawQuery, u.ForceQuery = query, false
	r.URL = &u
	r.RequestURI, _, _ = strings.Cut(r.RequestURI, "?")
	if query != "" {
		r.RequestURI += "?" + query
	}
	return r
}

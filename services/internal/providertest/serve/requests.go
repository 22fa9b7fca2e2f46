package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/tollgate/tollgate/services/internal/providertest"
)

// request is what a provider was asked.
type request struct {
	Path    string          `json:"path"`
	Headers http.Header     `json:"headers"`
	Body    json.RawMessage `json:"body"`
	// Cancelled says that the client has given the request up.
	Cancelled bool `json:"cancelled"`
}

// look serves what each provider was asked for a model, the oldest first:
// /PROVIDER?model=NAME. It returns its address.
func look(host *lifetime, fakes map[string]*providertest.Host) string {
	mux := http.NewServeMux()
	for name, fake := range fakes {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			providertest.WriteJSON(w, http.StatusOK, seen(fake, r.URL.Query().Get("model")))
		})
	}
	server := httptest.NewServer(mux)
	host.Cleanup(server.Close)
	return server.URL
}

func seen(fake *providertest.Host, model string) []request {
	out := []request{}
	for _, rec := range fake.Requests() {
		if rec.Model != model || !json.Valid(rec.Body) {
			continue
		}
		_, cancelled := rec.AwaitCancelled(time.Millisecond)
		out = append(out, request{Path: rec.Path, Headers: rec.Header, Body: rec.Body, Cancelled: cancelled})
	}
	return out
}

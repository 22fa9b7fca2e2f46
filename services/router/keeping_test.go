package router

import (
	"strings"
	"testing"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/recall"
)

func TestResponsesAreValidated(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                            "",
		`{store: ""}`:                   "",
		"{store: disk}":                 "responses.store",
		"{store: valkey}":               "responses.store: is valkey, but router.valkey.addr",
		"{ttl: -1s}":                    "responses.ttl",
		"{max_entries: 0}":              "responses.max_entries",
		"{max_bytes: 0}":                "responses.max_bytes",
		"{ttl: 0s, max_entries: 0}":     "",
		"{store: memory, max_entry: 1}": "max_entry",
	} {
		file := struct {
			Responses Responses `yaml:"responses"`
		}{defaultResponses}
		err := config.Parse([]byte("responses: "+text), nil, &file)
		if err == nil {
			c := DefaultConfig()
			c.Responses = file.Responses
			v := config.NewValidator()
			c.Validate(v)
			err = v.Err()
		}
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestKeeperIsChosen(t *testing.T) {
	if k, err := newKeeper(Responses{}, nil); k != nil || err != nil {
		t.Errorf("without a time there is %v (%v)", k, err)
	}
	for _, store := range []string{"", inMemory} {
		if k, _ := newKeeper(Responses{Store: store, TTL: 1, MaxEntries: 1, MaxBytes: 1}, nil); k == nil {
			t.Errorf("%q keeps nothing", store)
		} else if _, ok := k.(*recall.Memory); !ok {
			t.Errorf("%q is %T", store, k)
		}
	}
	if k, err := newKeeper(Responses{Store: inValkey, TTL: 1}, nil); err == nil {
		t.Errorf("without Valkey there is %v", k)
	}
}

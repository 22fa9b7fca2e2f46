package bedrock_test

import (
	"testing"
	"time"

	fake "github.com/tollgate/tollgate/services/internal/providertest/bedrock"
)

// The control plane is asked with a signature, and what it says is believed.
func TestDiscovery(t *testing.T) {
	up := fake.New(t)
	of := target(up.BaseURL())
	of.AWS.ControlURL = up.BaseURL()
	a := adapter(t, of)
	deadline := time.Now().Add(10 * time.Second)
	for len(a.Offerings()) == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	for model, want := range map[string]bool{
		"amazon.nova-lite-v1:0": true, "eu.anthropic.claude-sonnet-4-5-20250929-v1:0": true,
		"anthropic.claude-sonnet-4-5-20250929-v1:0": false, "us.amazon.nova-lite-v1:0": false, "meta.llama3-8b-instruct-v1:0": false,
	} {
		if known, offered := a.Offers(model); !known || offered != want {
			t.Errorf("%s: known %v, offered %v", model, known, offered)
		}
	}
	if got := a.Offerings(); len(got) != 7 || got[0].Region != "eu-central-1" {
		t.Errorf("offerings %v", got)
	}
}

// An address of the operator's own has no control plane unless he names one.
func TestNoDiscovery(t *testing.T) {
	up := fake.New(t)
	a := adapter(t, target(up.BaseURL()))
	if known, _ := a.Offers("amazon.nova-lite-v1:0"); known || a.Offerings() != nil {
		t.Errorf("known: %v", a.Offerings())
	}
}

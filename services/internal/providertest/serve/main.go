// Command serve runs the fake providers on ports of loopback, for clients that
// are not written in Go. It prints where they are as one line of JSON, and runs
// until its standard input ends.
package main

import (
	"encoding/json"
	"io"
	"log"
	"os"

	"github.com/tollgate/tollgate/services/internal/providertest"
	"github.com/tollgate/tollgate/services/internal/providertest/anthropic"
	"github.com/tollgate/tollgate/services/internal/providertest/awstest"
	"github.com/tollgate/tollgate/services/internal/providertest/bedrock"
	"github.com/tollgate/tollgate/services/internal/providertest/gemini"
	"github.com/tollgate/tollgate/services/internal/providertest/sagemaker"
)

// key is the credential that providers with keys ask for.
const key = "sk-upstream-0123456789"

// place is where a provider is, what it asks for, and where what it was asked
// can be looked at.
type place struct {
	URL       string `json:"url"`
	Key       string `json:"key"`
	AWSID     string `json:"awsAccessKeyId"`
	AWSSecret string `json:"awsSecretAccessKey"`
	Requests  string `json:"requests"`
}

func main() {
	host := &lifetime{}
	defer host.end()
	if err := json.NewEncoder(os.Stdout).Encode(start(host)); err != nil {
		log.Print(err)
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started this has gone
}

// start starts every provider.
func start(host *lifetime) map[string]place {
	fakes := map[string]*providertest.Host{
		"openai":    providertest.New(host).Host,
		"anthropic": anthropic.New(host).Host,
		"gemini":    gemini.New(host).Host,
		"bedrock":   bedrock.New(host).Host,
		"sagemaker": sagemaker.New(host).Host,
	}
	looking := look(host, fakes)
	out := map[string]place{}
	for name, h := range fakes {
		h.Key = key
		out[name] = place{URL: h.URL, Key: key, AWSID: awstest.AccessKey, AWSSecret: awstest.Secret, Requests: looking + "/" + name}
	}
	return out
}

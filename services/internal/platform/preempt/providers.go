package preempt

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/drain"
)

// aws asks version 2 of the instance metadata service of EC2. A rebalance
// recommendation is no notice: it may come long before one, or without one.
type aws struct {
	*watcher
	token string
}

const (
	awsToken    = "/latest/api/token"
	awsAction   = "/latest/meta-data/spot/instance-action"
	awsTTL      = "X-aws-ec2-metadata-token-ttl-seconds"
	awsTokenKey = "X-aws-ec2-metadata-token"
)

func (a *aws) ask(ctx context.Context) (*drain.Notice, error) {
	if a.token == "" {
		got, err := a.get(ctx, http.MethodPut, awsToken, awsTTL, "21600", askTimeout)
		switch {
		case err != nil:
			return nil, fmt.Errorf("ask for a token: %w", err)
		case got.status != http.StatusOK:
			return nil, got.unexpected("ask for a token")
		}
		a.token = string(got.body)
	}
	got, err := a.get(ctx, http.MethodGet, awsAction, awsTokenKey, a.token, askTimeout)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask for the instance's action: %w", err)
	case got.status == http.StatusNotFound:
		return nil, nil
	case got.status == http.StatusUnauthorized:
		a.token = "" // it has expired
		return nil, got.unexpected("ask for the instance's action")
	case got.status != http.StatusOK:
		return nil, got.unexpected("ask for the instance's action")
	}
	var action struct {
		Action string    `json:"action"`
		Time   time.Time `json:"time"`
	}
	if err := json.Unmarshal(got.body, &action); err != nil || action.Time.IsZero() {
		return nil, fmt.Errorf("read the instance's action: it has no time")
	}
	return &drain.Notice{Time: action.Time, Reason: "AWS will " + action.Action + " this spot instance"}, nil
}

// gcp asks the metadata server of Compute Engine, which answers when the value
// changes. It says nothing of when; the machine has half a minute.
type gcp struct {
	*watcher
	etag string
}

const (
	gcpPreempted = "/computeMetadata/v1/instance/preempted"
	gcpFlavor    = "Metadata-Flavor"
	gcpLeft      = 30 * time.Second
)

func (g *gcp) ask(ctx context.Context) (*drain.Notice, error) {
	path := gcpPreempted
	if g.etag != "" {
		path += "?" + url.Values{
			"wait_for_change": {"true"}, "last_etag": {g.etag}, "timeout_sec": {fmt.Sprintf("%.0f", waitFor.Seconds())},
		}.Encode()
	}
	etag := g.etag
	g.etag = "" // what fails is asked again without waiting
	got, err := g.get(ctx, http.MethodGet, path, gcpFlavor, "Google", waitFor+askTimeout)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask whether the instance is preempted: %w", err)
	case got.status != http.StatusOK:
		return nil, got.unexpected("ask whether the instance is preempted")
	case got.header.Get(gcpFlavor) != "Google":
		return nil, fmt.Errorf("ask whether the instance is preempted: whoever answers is not Google's metadata server")
	}
	if strings.EqualFold(strings.TrimSpace(string(got.body)), "TRUE") {
		return &drain.Notice{Time: time.Now().Add(gcpLeft), Reason: "Google preempts this instance"}, nil
	}
	if g.etag = got.header.Get("ETag"); g.etag == "" {
		g.etag = etag
	}
	return nil, nil
}

// azure asks for scheduled events. They are listed for every machine of a
// scale set, so its own name is asked for as well, each time: an answer that is
// not the name must not stay.
type azure struct{ *watcher }

const (
	azureName   = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
	azureEvents = "/metadata/scheduledevents?api-version=2020-07-01"
	// azureStarted is what is left of a preemption that has begun without a time.
	azureStarted = 10 * time.Second
)

func (z azure) ask(ctx context.Context) (*drain.Notice, error) {
	name, err := z.get(ctx, http.MethodGet, azureName, "Metadata", "true", askTimeout)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask for the machine's name: %w", err)
	case name.status != http.StatusOK:
		return nil, name.unexpected("ask for the machine's name")
	}
	own := strings.TrimSpace(string(name.body))
	got, err := z.get(ctx, http.MethodGet, azureEvents, "Metadata", "true", askTimeout)
	switch {
	case err != nil:
		return nil, fmt.Errorf("ask for scheduled events: %w", err)
	case got.status != http.StatusOK:
		return nil, got.unexpected("ask for scheduled events")
	}
	var list struct {
		Events []azureEvent `json:"Events"`
	}
	if err := json.Unmarshal(got.body, &list); err != nil {
		return nil, fmt.Errorf("read scheduled events: %w", err)
	}
	for _, e := range list.Events {
		if e.Type == "Preempt" && slices.Contains(e.Resources, own) {
			return &drain.Notice{Time: e.time(), Reason: "Azure preempts this machine"}, nil
		}
	}
	return nil, nil
}

type azureEvent struct {
	Type      string   `json:"EventType"`
	Resources []string `json:"Resources"`
	NotBefore string   `json:"NotBefore"`
}

// time is when the machine goes; an event that has begun says it no more.
func (e azureEvent) time() time.Time {
	if at, err := http.ParseTime(e.NotBefore); err == nil {
		return at
	}
	return time.Now().Add(azureStarted)
}

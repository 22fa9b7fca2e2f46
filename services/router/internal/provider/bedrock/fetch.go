package bedrock

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Bounds of what the control plane is asked for.
const (
	pageSize = "1000"
	maxPages = 20
)

// modelsPath is where the control plane lists models.
const modelsPath = "/foundation-models"

// summary is a model as the control plane describes it.
type summary struct {
	ModelID   string    `json:"modelId"`
	ModelName string    `json:"modelName"`
	Inputs    []string  `json:"inputModalities"`
	Outputs   []string  `json:"outputModalities"`
	Streaming bool      `json:"responseStreamingSupported"`
	Inference []string  `json:"inferenceTypesSupported"`
	Lifecycle lifecycle `json:"modelLifecycle"`
}

type lifecycle struct {
	Status string `json:"status"`
}

// profile is an inference profile, which reaches a model in several regions.
type profile struct {
	ID     string `json:"inferenceProfileId"`
	Name   string `json:"inferenceProfileName"`
	Status string `json:"status"`
	Models []struct {
		ARN string `json:"modelArn"`
	} `json:"models"`
}

// fetch asks the control plane what its region offers. Profiles may be
// forbidden where models are not; then nothing is known of them.
func fetch(ctx context.Context, s source, region string) (*listing, error) {
	raw, err := s.Get(ctx, modelsPath)
	if err != nil {
		return nil, err
	}
	var models struct {
		Summaries []summary `json:"modelSummaries"`
	}
	if err := json.Unmarshal(raw, &models); err != nil {
		return nil, fmt.Errorf("read models: %w", err)
	}
	l := &listing{}
	for _, m := range models.Summaries {
		l.offerings = append(l.offerings, provider.Offering{
			Model: m.ModelID, Title: m.ModelName, Region: region, Inputs: m.Inputs, Outputs: m.Outputs,
			Streams: m.Streaming, Inference: m.Inference, Lifecycle: m.Lifecycle.Status,
		})
	}
	l.sort()
	if profiles, err := fetchProfiles(ctx, s); err == nil {
		l.profiles = true
		l.add(profiles, region)
		l.sort()
	}
	return l, nil
}

func (l *listing) sort() {
	slices.SortFunc(l.offerings, func(a, b provider.Offering) int { return strings.Compare(a.Model, b.Model) })
}

func fetchProfiles(ctx context.Context, s source) ([]profile, error) {
	var all []profile
	path := "/inference-profiles?maxResults=" + pageSize
	for range maxPages {
		raw, err := s.Get(ctx, path)
		if err != nil {
			return nil, err
		}
		var page struct {
			Profiles []profile `json:"inferenceProfileSummaries"`
			Next     string    `json:"nextToken"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return nil, fmt.Errorf("read inference profiles: %w", err)
		}
		all = append(all, page.Profiles...)
		if page.Next == "" {
			break
		}
		path = "/inference-profiles?maxResults=" + pageSize + "&nextToken=" + url.QueryEscape(page.Next)
	}
	return all, nil
}

// add makes offerings of profiles: what their model can, if the region lists it.
func (l *listing) add(profiles []profile, region string) {
	listed := &listing{offerings: slices.Clone(l.offerings)}
	for _, p := range profiles {
		if p.Status != "ACTIVE" {
			continue
		}
		o := provider.Offering{Model: p.ID, Title: p.Name, Region: region, Inference: []string{crossRegion}, Lifecycle: p.Status}
		for _, m := range p.Models {
			_, name, _ := strings.Cut(m.ARN, modelResource)
			if of := listed.find(name); of != nil {
				o.Inputs, o.Outputs, o.Streams, o.Lifecycle = of.Inputs, of.Outputs, of.Streams, of.Lifecycle
				break
			}
		}
		l.offerings = append(l.offerings, o)
	}
}

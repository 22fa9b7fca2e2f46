// Package prompts keeps an organisation's prompt templates and context rules.
package prompts

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/pack"
)

// Records is what is needed of a store.
type Records interface {
	PutRecord(ctx context.Context, org string, r corpus.Record) error
	Records(ctx context.Context, org, kind, name string) ([]corpus.Record, error)
	DeleteRecords(ctx context.Context, org, kind, name string) error
}

const (
	kindTemplate = "template"
	kindRule     = "rule"
	// maxRecords bounds an organisation's templates and its rules.
	maxRecords = 1000
)

// Template is one version of a named template.
type Template struct {
	Name    string
	Text    string
	Version int
	Created time.Time
}

// Rule adds context to a request that meets all its conditions; an empty
// condition always holds.
type Rule struct {
	Name     string
	Model    string   // glob
	Team     string   // id
	Keywords []string // one of them stands in the question
	// Text or Collection is what it adds.
	Text       string
	Collection string
	Created    time.Time
}

// Prompts is safe for concurrent use.
type Prompts struct {
	records Records
	cache   *cache
	now     func() time.Time
}

// New keeps templates and rules in the records. What Rules and Template read
// may be as old as ttl where another process has changed it.
func New(records Records, ttl time.Duration, now func() time.Time) *Prompts {
	if now == nil {
		now = time.Now
	}
	return &Prompts{records: records, cache: newCache(records, ttl, now), now: now}
}

// CreateTemplate stores the next version of a template.
func (p *Prompts) CreateTemplate(ctx context.Context, org, name, text string) (Template, error) {
	if !strings.Contains(text, pack.ContextVariable) {
		return Template{}, errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT,
			"a template must hold %s", pack.ContextVariable).WithField("template.text")
	}
	versions, err := p.records.Records(ctx, org, kindTemplate, name)
	if err != nil {
		return Template{}, err
	}
	t := Template{Name: name, Text: text, Version: 1, Created: p.now().UTC()}
	if n := len(versions); n > 0 {
		t.Version = versions[n-1].Version + 1
	}
	if len(versions) >= maxRecords {
		return Template{}, errs.New(llmv1.ErrorReason_ERROR_REASON_CONFLICT, "a template may have %d versions", maxRecords)
	}
	err = p.records.PutRecord(ctx, org, corpus.Record{
		Kind: kindTemplate, Name: name, Version: t.Version, Body: text, Created: t.Created,
	})
	p.cache.drop(org, kindTemplate)
	return t, err
}

// Template finds a version of a template; version 0 is the newest.
func (p *Prompts) Template(ctx context.Context, org, name string, version int) (Template, error) {
	records, err := p.cache.get(ctx, org, kindTemplate)
	if err != nil {
		return Template{}, err
	}
	var found *corpus.Record
	for i, r := range records {
		if r.Name == name && (version == 0 || r.Version == version) {
			found = &records[i]
		}
	}
	if found == nil {
		return Template{}, notFound("templates/%s", name)
	}
	return templateOf(*found), nil
}

func templateOf(r corpus.Record) Template {
	return Template{Name: r.Name, Text: r.Body, Version: r.Version, Created: r.Created}
}

// Templates lists the newest version of each template by name.
func (p *Prompts) Templates(ctx context.Context, org string) ([]Template, error) {
	records, err := p.records.Records(ctx, org, kindTemplate, "")
	if err != nil {
		return nil, err
	}
	var out []Template
	for i, r := range records {
		if i+1 == len(records) || records[i+1].Name != r.Name {
			out = append(out, templateOf(r))
		}
	}
	return out, nil
}

// DeleteTemplate deletes a template with all its versions.
func (p *Prompts) DeleteTemplate(ctx context.Context, org, name string) error {
	return p.remove(ctx, org, kindTemplate, name, "templates/%s")
}

// CreateRule stores a context rule.
func (p *Prompts) CreateRule(ctx context.Context, org string, r Rule) (Rule, error) {
	list, err := p.records.Records(ctx, org, kindRule, "")
	if err != nil {
		return r, err
	}
	for _, other := range list {
		if other.Name == r.Name {
			return r, errs.New(llmv1.ErrorReason_ERROR_REASON_ALREADY_EXISTS, "contextRules/%s exists already", r.Name)
		}
	}
	if len(list) >= maxRecords {
		return r, errs.New(llmv1.ErrorReason_ERROR_REASON_CONFLICT, "an organisation may have %d context rules", maxRecords)
	}
	r.Created = p.now().UTC()
	body, err := json.Marshal(r)
	if err != nil {
		return r, errs.Internal(err)
	}
	err = p.records.PutRecord(ctx, org, corpus.Record{Kind: kindRule, Name: r.Name, Body: string(body), Created: r.Created})
	p.cache.drop(org, kindRule)
	return r, err
}

// Rules lists the context rules by name.
func (p *Prompts) Rules(ctx context.Context, org string) ([]Rule, error) {
	records, err := p.cache.get(ctx, org, kindRule)
	if err != nil {
		return nil, err
	}
	out := make([]Rule, len(records))
	for i, r := range records {
		if err := json.Unmarshal([]byte(r.Body), &out[i]); err != nil {
			return nil, errs.Internal(fmt.Errorf("read context rule %s: %w", r.Name, err))
		}
	}
	return out, nil
}

// DeleteRule deletes a context rule.
func (p *Prompts) DeleteRule(ctx context.Context, org, name string) error {
	return p.remove(ctx, org, kindRule, name, "contextRules/%s")
}

func (p *Prompts) remove(ctx context.Context, org, kind, name, format string) error {
	list, err := p.records.Records(ctx, org, kind, name)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return notFound(format, name)
	}
	err = p.records.DeleteRecords(ctx, org, kind, name)
	p.cache.drop(org, kind)
	return err
}

func notFound(format string, args ...any) error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, format+" does not exist", args...)
}

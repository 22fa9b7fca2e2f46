package catalog

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollgate/tollgate/services/internal/platform/config"
	"github.com/tollgate/tollgate/services/router/internal/capability"
)

// Entry is a model as a file writes it: an element of router.models.
type Entry struct {
	// Name is what the target calls it.
	Name string `yaml:"name"`
	// Aliases are other names of it.
	Aliases []string `yaml:"aliases"`
	// Like names a model that is known; what this entry does not say is taken
	// from there.
	Like string `yaml:"like"`
	// Vendor, Family and Latest are as in Model.
	Vendor string `yaml:"vendor"`
	Family string `yaml:"family"`
	Latest bool   `yaml:"latest"`
	// Context and Output are in tokens.
	Context int64 `yaml:"context"`
	Output  int64 `yaml:"output"`
	// Input lists what it reads: text, image, document, audio, video.
	Input []string `yaml:"input"`
	// Lacks names features that it does not take; an empty list says that it
	// takes all.
	Lacks []string `yaml:"lacks"`
	// Quality is how good its answers are, above 0 and at most 1, for routes that
	// score; 0 says nothing.
	Quality float64 `yaml:"quality"`
	// Tokenizer is o200k_base, cl100k_base, or empty for one that is not public.
	Tokenizer string `yaml:"tokenizer"`
	// Price names the row of the price list, as provider/model; empty if it has none.
	Price string `yaml:"price"`
	// Retires is the day on which it is switched off, YYYY-MM-DD.
	Retires string `yaml:"retires"`
}

// Tokenizers are the names that Entry.Tokenizer may have.
func Tokenizers() []string { return []string{"o200k_base", "cl100k_base"} }

var modalities = []string{"text", "image", "document", "audio", "video"}

// Validate reports every fault of the entries at v, which stands at the list.
func Validate(v *config.Validator, entries []Entry) {
	if len(entries) == 0 {
		return // most have none: nothing need be read
	}
	base, err := shipped()
	if err != nil {
		v.Fail("", "%v", err)
		return
	}
	seen := make(map[string]bool, len(entries))
	for i := range entries {
		entries[i].validate(v.Index(i), base, seen)
	}
}

func (e *Entry) validate(v *config.Validator, base *Catalog, seen map[string]bool) {
	if e.Name == "" || len(e.Name) > maxName {
		v.Fail("name", "must have 1 to %d characters", maxName)
	}
	for _, name := range append([]string{e.Name}, e.Aliases...) {
		if name = strings.ToLower(name); seen[name] && name != "" {
			v.Fail("name", "%q stands twice", name)
		}
		seen[name] = true
	}
	if e.Like != "" && base.Find(e.Like) == nil {
		v.Fail("like", "no model %q is known", e.Like)
	}
	if e.Context < 0 {
		v.Fail("context", "must not be negative")
	}
	if e.Output < 0 {
		v.Fail("output", "must not be negative")
	}
	if !(e.Quality >= 0 && e.Quality <= 1) {
		v.Fail("quality", "must be above 0 and at most 1")
	}
	for i, name := range e.Input {
		if !slices.Contains(modalities, name) {
			v.At("input").Index(i).Fail("", "%q is not a modality", name).WithHelp("use %s", strings.Join(modalities, ", "))
		}
	}
	for i, name := range e.Lacks {
		if _, ok := capability.Parse(name); !ok {
			v.At("lacks").Index(i).Fail("", "%q is not a feature", name).WithHelp("use %s", capability.All)
		}
	}
	if e.Tokenizer != "" && !slices.Contains(Tokenizers(), e.Tokenizer) {
		v.Fail("tokenizer", "%q is not a tokenizer", e.Tokenizer).WithHelp("use %s", strings.Join(Tokenizers(), ", "))
	}
	if e.Retires != "" {
		if _, err := time.Parse(time.DateOnly, e.Retires); err != nil {
			v.Fail("retires", "must be a day, such as 2027-01-31")
		}
	}
}

// model is the entry made whole: what it does not say comes from the model
// that it is like, else from one of its own name.
func (e *Entry) model(known *Catalog) (*Model, error) {
	m := &Model{Input: []string{"text"}}
	like := e.Like
	if like == "" {
		like = e.Name
	}
	if base := known.Find(like); base != nil {
		*m = *base
	}
	m.Name = strings.ToLower(e.Name)
	fill(&m.Vendor, e.Vendor)
	fill(&m.Family, e.Family)
	fill(&m.Context, e.Context)
	fill(&m.Output, e.Output)
	fill(&m.Quality, e.Quality)
	fill(&m.Tokenizer, e.Tokenizer)
	fill(&m.Price, e.Price)
	m.Latest = e.Latest
	if e.Input != nil {
		m.Input = e.Input
		m.Lacks = m.Lacks&^mediaFeatures | lacksMedia(e.Input)
	}
	if e.Lacks != nil {
		lacks, err := parseLacks(e.Lacks)
		if err != nil {
			return nil, err
		}
		m.Lacks = lacks | lacksMedia(m.Input)
	}
	if e.Retires != "" {
		day, err := time.Parse(time.DateOnly, e.Retires)
		if err != nil {
			return nil, err
		}
		m.Retires = day
	}
	return m, nil
}

func fill[T comparable](dst *T, value T) {
	var zero T
	if value != zero {
		*dst = value
	}
}

func parseLacks(names []string) (capability.Set, error) {
	var lacks capability.Set
	for _, name := range names {
		f, ok := capability.Parse(name)
		if !ok {
			return 0, fmt.Errorf("%q is not a feature", name)
		}
		lacks |= f
	}
	return lacks, nil
}

const (
	imageFeatures    = capability.Images | capability.ImageURLs
	documentFeatures = capability.Documents | capability.DocumentURLs
	audioFeatures    = capability.Audio | capability.AudioURLs
	mediaFeatures    = imageFeatures | documentFeatures | audioFeatures
)

// lacksMedia are the features of the modalities that are missing.
func lacksMedia(input []string) capability.Set {
	lacks := mediaFeatures
	for _, name := range input {
		switch name {
		case "image":
			lacks &^= imageFeatures
		case "document":
			lacks &^= documentFeatures
		case "audio":
			lacks &^= audioFeatures
		}
	}
	return lacks
}

// put enters a model under its name and its aliases.
func put(models map[string]*Model, m *Model, aliases []string) error {
	for _, name := range append([]string{m.Name}, aliases...) {
		name = strings.ToLower(name)
		if models[name] != nil {
			return fmt.Errorf("model %q stands twice", name)
		}
		models[name] = m
	}
	return nil
}

// file is the shipped file: families, which say what their models have in common.
type file struct {
	Families []group `yaml:"families"`
}

// group is a family with its models.
type group struct {
	Family    string   `yaml:"family"`
	Vendor    string   `yaml:"vendor"`
	Tokenizer string   `yaml:"tokenizer"`
	Input     []string `yaml:"input"`
	Lacks     []string `yaml:"lacks"`
	Models    []Entry  `yaml:"models"`
}

func (f *file) catalog() (*Catalog, error) {
	c := &Catalog{models: make(map[string]*Model)}
	for _, g := range f.Families {
		for _, e := range g.Models {
			fillFrom(&e, &g)
			m, err := e.model(nil)
			if err == nil {
				err = put(c.models, m, e.Aliases)
			}
			if err != nil {
				return nil, fmt.Errorf("read model catalogue: %s: %w", e.Name, err)
			}
		}
	}
	return c, nil
}

func fillFrom(e *Entry, g *group) {
	e.Family, e.Vendor = g.Family, g.Vendor
	if e.Tokenizer == "" {
		e.Tokenizer = g.Tokenizer
	}
	if e.Input == nil {
		e.Input = g.Input
	}
	if e.Lacks == nil {
		e.Lacks = g.Lacks
	}
}

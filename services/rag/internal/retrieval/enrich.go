package retrieval

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"

	"github.com/tollgate/tollgate/services/internal/platform/telemetry"
	"github.com/tollgate/tollgate/services/rag/internal/pack"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
	"github.com/tollgate/tollgate/services/rag/internal/sparse"
)

// Conversation is what a context is wanted for.
type Conversation struct {
	Organization string
	// Questions are the texts of the user's messages, the last one first.
	Questions []string
	// Model and Team are looked at by rules.
	Model, Team string
	// Collections are searched; none means that only rules apply.
	Collections []string
	// Allowed reports whether a rule may search a collection for this caller.
	Allowed func(collection string) bool
	// Template names a template of the organisation; empty is the built-in one.
	Template string
	// MaxTokens bounds the block; 0 is the default.
	MaxTokens int
}

// Context is the block with what is in it.
type Context struct {
	pack.Block
	// Rules are the names of the rules that applied.
	Rules []string
}

// Enrich makes the context of a conversation.
func (r *Retriever) Enrich(ctx context.Context, c Conversation) (Context, error) {
	template := pack.Builtin
	if c.Template != "" {
		t, err := r.prompts.Template(ctx, c.Organization, c.Template, 0)
		if err != nil {
			return Context{}, err
		}
		template.Text = t.Text
	}
	question := ""
	if len(c.Questions) > 0 {
		question = c.Questions[0]
	}
	rules, err := r.rules(ctx, c, question)
	if err != nil {
		return Context{}, err
	}
	request := pack.Request{Template: template, Question: question, MaxTokens: c.MaxTokens}
	if request.MaxTokens <= 0 {
		request.MaxTokens = r.opts.DefaultTokens
	}
	scope := Scope{Organization: c.Organization, Collections: slices.Clone(c.Collections)}
	var noteOf []string // the rule of each note
	var searching []prompts.Rule
	for _, rule := range rules {
		if rule.Collection == "" {
			request.Notes = append(request.Notes, rule.Text)
			noteOf = append(noteOf, rule.Name)
			continue
		}
		searching = append(searching, rule)
		if !slices.Contains(scope.Collections, rule.Collection) {
			scope.Collections = append(scope.Collections, rule.Collection)
		}
	}
	if len(scope.Collections) > 0 {
		request.Hits, err = r.search(ctx, scope, terms(c.Questions), r.opts.Candidates)
		if err != nil {
			return Context{}, err
		}
	}
	out := Context{Block: r.pack(ctx, request)}
	for _, at := range out.Notes {
		out.Rules = append(out.Rules, noteOf[at])
	}
	for _, rule := range searching {
		if slices.ContainsFunc(out.Passages, func(p pack.Passage) bool { return p.Document.Collection == rule.Collection }) {
			out.Rules = append(out.Rules, rule.Name)
		}
	}
	slices.Sort(out.Rules)
	return out, nil
}

func (r *Retriever) pack(ctx context.Context, request pack.Request) pack.Block {
	_, span := telemetry.Start(ctx, "rag.pack",
		attribute.Int("tollgate.rag.candidates", len(request.Hits)),
		attribute.Int("tollgate.rag.notes", len(request.Notes)),
		attribute.Int("tollgate.rag.token_budget", request.MaxTokens))
	block := pack.Pack(request)
	span.SetAttributes(attribute.Int("tollgate.rag.passages", len(block.Passages)), attribute.Int("tollgate.rag.tokens", block.Tokens))
	telemetry.End(span, nil)
	return block
}

// rules are those whose conditions hold and that the caller may use.
func (r *Retriever) rules(ctx context.Context, c Conversation, question string) ([]prompts.Rule, error) {
	all, err := r.prompts.Rules(ctx, c.Organization)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	question = strings.ToLower(question)
	var out []prompts.Rule
	for _, rule := range all {
		if rule.Collection != "" && !c.Allowed(rule.Collection) {
			continue
		}
		if rule.Matches(c.Model, c.Team, question) {
			out = append(out, rule)
		}
	}
	return out, nil
}

const (
	// fewTerms is how many different terms a question must have to stand by
	// itself; "and how is that billed?" does not.
	fewTerms = 4
	// earlierWeight is how much the terms of the message before count then.
	earlierWeight = 0.5
)

// terms makes the query of the last message and, where that says too little
// by itself, of the one before it.
func terms(questions []string) sparse.Vector {
	if len(questions) == 0 {
		return sparse.Vector{}
	}
	last := sparse.Query(ends(questions[0]))
	if len(last.Indices) >= fewTerms || len(questions) == 1 {
		return last
	}
	return last.Plus(sparse.Query(ends(questions[1])), earlierWeight)
}

// maxQuestion is how much of a message is searched for, in bytes.
const maxQuestion = 8 << 10

// ends keeps the beginning and the end of a long message: what is asked stands
// before or behind what is pasted.
func ends(text string) string {
	if len(text) <= maxQuestion {
		return text
	}
	return strings.ToValidUTF8(text[:maxQuestion/2], "") + "\n" + strings.ToValidUTF8(text[len(text)-maxQuestion/2:], "")
}

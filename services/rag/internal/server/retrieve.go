package server

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/rag/internal/retrieval"
)

const defaultPassages = 10

// Retrieve finds the passages that fit a query best.
func (s *Server) Retrieve(ctx context.Context, in *ragv1.RetrieveRequest) (*ragv1.RetrieveResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	collections, err := s.collectionsOf(ctx, p, in.GetCollections())
	if err != nil {
		return nil, err
	}
	if collections != nil && len(collections) == 0 {
		return &ragv1.RetrieveResponse{}, nil // a limited key, and none of its collections is there
	}
	limit := int(in.GetLimit())
	if limit == 0 {
		limit = defaultPassages
	}
	hits, err := s.retriever.Retrieve(ctx, retrieval.Scope{Organization: p.Organization, Collections: collections}, in.GetQuery(), limit)
	if err != nil {
		return nil, err
	}
	out := &ragv1.RetrieveResponse{}
	for _, h := range hits {
		out.Passages = append(out.Passages, &ragv1.Passage{
			Id: h.Chunk.ID, Document: documentName(h.Document.Collection, h.Document.Name),
			Title: h.Document.Title, Uri: h.Document.URI, HeadingPath: h.Chunk.Headings, Text: h.Chunk.Text,
			StartByte: int64(h.Chunk.Start), EndByte: int64(h.Chunk.End), Score: h.Score,
		})
	}
	return out, nil
}

// Enrich turns a conversation into a context block.
func (s *Server) Enrich(ctx context.Context, in *ragv1.EnrichRequest) (*ragv1.EnrichResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	c := retrieval.Conversation{
		Organization: p.Organization, Team: p.Team, Model: in.GetModel(), MaxTokens: int(in.GetMaxTokens()),
		Questions: questions(in.GetMessages()), Allowed: func(c string) bool { return p.MayRead(collectionPrefix + c) },
	}
	if len(in.GetCollections()) > 0 {
		if c.Collections, err = s.collectionsOf(ctx, p, in.GetCollections()); err != nil {
			return nil, err
		}
	}
	if in.GetTemplate() != "" {
		name, ok := strings.CutPrefix(in.GetTemplate(), templatePrefix)
		if !ok || name == "" {
			return nil, invalid("template", "template must be templates/{template}")
		}
		c.Template = name
	}
	found, err := s.retriever.Enrich(ctx, c)
	if err != nil {
		return nil, err
	}
	return enriched(found), nil
}

func enriched(found retrieval.Context) *ragv1.EnrichResponse {
	out := &ragv1.EnrichResponse{Context: found.Text, Tokens: int32(found.Tokens)} // within the budget
	for _, s := range found.Passages {
		name := documentName(s.Document.Collection, s.Document.Name)
		out.Passages = append(out.Passages, &ragv1.Passage{
			Id: s.ID, Document: name, Title: s.Document.Title, Uri: s.Document.URI, HeadingPath: s.Headings,
			Text: s.Text, StartByte: int64(s.Start), EndByte: int64(s.End), Score: s.Score,
		})
		out.Citations = append(out.Citations, &llmv1.Citation{
			Marker: strconv.Itoa(s.Marker), Document: name, Title: s.Document.Title, Uri: s.Document.URI,
			StartByte: int64(s.Start), EndByte: int64(s.End),
		})
	}
	for _, r := range found.Rules {
		out.ContextRules = append(out.ContextRules, rulePrefix+r)
	}
	return out
}

// questions are the texts of the user's messages, the last first. A user
// message without text, such as a picture alone, is passed over.
func questions(messages []*llmv1.Message) []string {
	var out []string
	for i := len(messages) - 1; i >= 0 && len(out) < 2; i-- {
		if messages[i].GetRole() != llmv1.Role_ROLE_USER {
			continue
		}
		var texts []string
		for _, part := range messages[i].GetParts() {
			if t := part.GetText().GetText(); t != "" {
				texts = append(texts, t)
			}
		}
		if len(texts) > 0 {
			out = append(out, strings.Join(texts, "\n"))
		}
	}
	return out
}

func documentName(collection, document string) string {
	return fmt.Sprint(collectionPrefix, collection, documentInfix, document)
}

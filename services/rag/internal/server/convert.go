package server

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
)

func collectionMessage(c corpus.Collection, n corpus.Counts) *ragv1.Collection {
	return &ragv1.Collection{
		Name: collectionPrefix + c.Name, Description: c.Description,
		DocumentCount: n.Documents, ChunkCount: n.Chunks, CreateTime: timestamppb.New(c.Created),
	}
}

func documentMessage(d corpus.Document) *ragv1.Document {
	out := &ragv1.Document{
		Name: documentName(d.Collection, d.Name), Title: d.Title, Uri: d.URI, MediaType: d.MediaType, Metadata: d.Metadata,
		SizeBytes: d.Size, ContentHash: d.Hash, ChunkCount: int32(d.Chunks), // bounded at ingest
	}
	if !d.Updated.IsZero() {
		out.UpdateTime = timestamppb.New(d.Updated)
	}
	return out
}

func templateMessage(t prompts.Template) *ragv1.Template {
	return &ragv1.Template{
		Name: templatePrefix + t.Name, Text: t.Text, Version: int32(t.Version), // bounded at creation
		CreateTime: timestamppb.New(t.Created),
	}
}

func ruleMessage(r prompts.Rule) *ragv1.ContextRule {
	out := &ragv1.ContextRule{Name: rulePrefix + r.Name, Model: r.Model, Team: r.Team, Keywords: r.Keywords}
	if r.Collection != "" {
		out.Context = &ragv1.ContextRule_Collection{Collection: collectionPrefix + r.Collection}
	} else {
		out.Context = &ragv1.ContextRule_Text{Text: r.Text}
	}
	return out
}

package server

import (
	"context"
	"strings"

	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/rag/internal/prompts"
)

// nameOf reads {prefix}{name}.
func nameOf(field, name, prefix string) (string, error) {
	id, ok := strings.CutPrefix(name, prefix)
	if !ok || id == "" || strings.Contains(id, "/") {
		return "", invalid(field, "%s must be %s{name}", field, prefix)
	}
	return id, nil
}

// CreateTemplate stores a new template, or a new version of one.
func (s *Server) CreateTemplate(ctx context.Context, in *ragv1.CreateTemplateRequest) (*ragv1.CreateTemplateResponse, error) {
	p, err := caller(ctx, editors...)
	if err != nil {
		return nil, err
	}
	name, err := nameOf("template.name", in.GetTemplate().GetName(), templatePrefix)
	if err != nil {
		return nil, err
	}
	t, err := s.prompts.CreateTemplate(ctx, p.Organization, name, in.GetTemplate().GetText())
	if err != nil {
		return nil, err
	}
	return &ragv1.CreateTemplateResponse{Template: templateMessage(t)}, nil
}

// GetTemplate returns a template, its newest version unless one is named.
func (s *Server) GetTemplate(ctx context.Context, in *ragv1.GetTemplateRequest) (*ragv1.GetTemplateResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	name, err := nameOf("name", in.GetName(), templatePrefix)
	if err != nil {
		return nil, err
	}
	t, err := s.prompts.Template(ctx, p.Organization, name, int(in.GetVersion()))
	if err != nil {
		return nil, err
	}
	return &ragv1.GetTemplateResponse{Template: templateMessage(t)}, nil
}

// ListTemplates lists the newest version of each template, by name.
func (s *Server) ListTemplates(ctx context.Context, in *ragv1.ListTemplatesRequest) (*ragv1.ListTemplatesResponse, error) {
	p, err := caller(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.prompts.Templates(ctx, p.Organization)
	if err != nil {
		return nil, err
	}
	list, next, err := page(list, func(t prompts.Template) string { return t.Name }, in.GetPageSize(), in.GetPageToken())
	if err != nil {
		return nil, err
	}
	out := &ragv1.ListTemplatesResponse{NextPageToken: next}
	for _, t := range list {
		out.Templates = append(out.Templates, templateMessage(t))
	}
	return out, nil
}

// DeleteTemplate deletes a template with all its versions.
func (s *Server) DeleteTemplate(ctx context.Context, in *ragv1.DeleteTemplateRequest) (*ragv1.DeleteTemplateResponse, error) {
	p, err := caller(ctx, editors...)
	if err != nil {
		return nil, err
	}
	name, err := nameOf("name", in.GetName(), templatePrefix)
	if err != nil {
		return nil, err
	}
	return &ragv1.DeleteTemplateResponse{}, s.prompts.DeleteTemplate(ctx, p.Organization, name)
}

package server

import (
	"context"

	"google.golang.org/grpc"

	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/pipeline"
	"github.com/tollgate/tollgate/services/router/internal/provider"
)

// Generate answers a conversation.
func (s *Server) Generate(ctx context.Context, r *routerv1.GenerateRequest) (*routerv1.GenerateResponse, error) {
	p, err := auth.Require(ctx, pipeline.Callers...)
	if err != nil {
		return nil, err
	}
	result, err := s.pipeline.Generate(ctx, &pipeline.Call{
		RequestID: requestID(ctx), Principal: p, Conversation: r.GetConversation(), Options: r.GetOptions(),
	})
	if err != nil {
		return nil, err
	}
	return &routerv1.GenerateResponse{Completion: result.Answer.Completion, Report: result.Report}, nil
}

// StreamGenerate answers a conversation while the answer is written.
func (s *Server) StreamGenerate(r *routerv1.StreamGenerateRequest, out grpc.ServerStreamingServer[routerv1.StreamGenerateResponse]) error {
	ctx := out.Context()
	p, err := auth.Require(ctx, pipeline.Callers...)
	if err != nil {
		return err
	}
	sink := &sink{out: out}
	err = s.pipeline.Stream(ctx, &pipeline.Call{
		RequestID: requestID(ctx), Principal: p, Conversation: r.GetConversation(), Options: r.GetOptions(),
	}, sink)
	if sink.failed {
		return nil // the error event has said it, and it ends the stream
	}
	return err
}

// Embed turns texts into vectors.
func (s *Server) Embed(ctx context.Context, r *routerv1.EmbedRequest) (*routerv1.EmbedResponse, error) {
	p, err := auth.Require(ctx, pipeline.Callers...)
	if err != nil {
		return nil, err
	}
	result, err := s.pipeline.Embed(ctx, &pipeline.EmbedCall{
		RequestID: requestID(ctx), Principal: p,
		Request: &provider.EmbedRequest{Model: r.GetModel(), Inputs: r.GetInputs(), Dimensions: r.GetDimensions()},
		Options: r.GetOptions(),
	})
	if err != nil {
		return nil, err
	}
	out := &routerv1.EmbedResponse{
		Model: result.Embeddings.Model, Usage: result.Embeddings.Usage, Report: result.Report,
		Embeddings: make([]*routerv1.EmbedResponse_Embedding, len(result.Embeddings.Vectors)),
	}
	for i, vector := range result.Embeddings.Vectors {
		out.Embeddings[i] = &routerv1.EmbedResponse_Embedding{Index: int32(i), Values: vector}
	}
	return out, nil
}

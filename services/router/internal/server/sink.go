package server

import (
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	routerv1 "github.com/tollgate/tollgate/gen/tollgate/router/v1"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// sink sends an answer over gRPC. The last event carries the report, which is
// complete only once the stream has ended: so an event that is no content waits
// until the next one comes, and content never waits.
type sink struct {
	out     grpc.ServerStreamingServer[routerv1.StreamGenerateResponse]
	waiting *routerv1.StreamGenerateResponse
	failed  bool
}

// Open does nothing: gRPC sends headers with the first message.
func (s *sink) Open(*routerv1.RequestReport) {}

// WriteChunk sends the chunk's events.
func (s *sink) WriteChunk(c *stream.Chunk) error {
	for i := range c.Events {
		e := &c.Events[i]
		if err := s.flush(); err != nil {
			return err
		}
		response := &routerv1.StreamGenerateResponse{Event: message(e)}
		if e.Kind == stream.Usage || e.Kind == stream.Finish {
			s.waiting = response
			continue
		}
		s.failed = s.failed || e.Kind == stream.Error
		if err := s.out.Send(response); err != nil {
			return err
		}
	}
	return nil
}

// Finish sends the last event with the report.
func (s *sink) Finish(report *routerv1.RequestReport) error {
	if s.waiting == nil {
		s.waiting = &routerv1.StreamGenerateResponse{}
	}
	s.waiting.Report = report
	return s.flush()
}

func (s *sink) flush() error {
	if s.waiting == nil {
		return nil
	}
	response := s.waiting
	s.waiting = nil
	return s.out.Send(response)
}

// message writes an event as a message.
func message(e *stream.Event) *llmv1.StreamEvent {
	out := &llmv1.StreamEvent{CandidateIndex: e.Candidate, PartIndex: e.Index}
	switch e.Kind {
	case stream.Start:
		out.Event = &llmv1.StreamEvent_Start{Start: &llmv1.StreamStart{Id: e.ID, Model: e.Model}}
	case stream.PartStart:
		out.Event = &llmv1.StreamEvent_PartStart{PartStart: &llmv1.PartStart{Part: e.Part}}
	case stream.Text:
		out.Event = &llmv1.StreamEvent_TextDelta{TextDelta: string(e.Delta)}
	case stream.Thinking:
		out.Event = &llmv1.StreamEvent_ThinkingDelta{ThinkingDelta: string(e.Delta)}
	case stream.ToolArguments:
		out.Event = &llmv1.StreamEvent_ToolArgumentsDelta{ToolArgumentsDelta: string(e.Delta)}
	case stream.PartStop:
		out.Event = &llmv1.StreamEvent_PartStop{PartStop: &llmv1.PartStop{Signature: e.Signature, Citations: e.Citations}}
	case stream.Usage:
		out.Event = &llmv1.StreamEvent_Usage{Usage: proto.Clone(e.Tokens).(*llmv1.Usage)} // it waits
	case stream.Finish:
		out.Event = &llmv1.StreamEvent_Finish{Finish: &llmv1.Finish{Reason: e.Reason, StopSequence: e.Stop}}
	case stream.Notice:
		out.Event = &llmv1.StreamEvent_GuardrailNotice{GuardrailNotice: e.Guardrail}
	case stream.Error:
		out.Event = &llmv1.StreamEvent_Error{Error: e.Failure}
	}
	return out
}

package inproc_test

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// server is a service whose behaviour is asked for in the request: the text
// of the payload names it.
type server struct {
	testpb.UnimplementedTestServiceServer

	running  atomic.Int64 // handlers under way
	lastSeen atomic.Pointer[testpb.SimpleRequest]
	kept     atomic.Pointer[testpb.SimpleResponse]
}

type valueKey struct{}

func payload(text string) *testpb.Payload { return &testpb.Payload{Body: []byte(text)} }

func (s *server) UnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	s.running.Add(1)
	defer s.running.Add(-1)
	s.lastSeen.Store(req)
	switch string(req.GetPayload().GetBody()) {
	case "typed":
		return nil, errs.New(llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED, "slow down").
			WithRetryAfter(2 * time.Second).WithCause(errors.New("inside"))
	case "plain":
		return nil, errors.New("plain failure")
	case "context":
		return nil, context.Canceled
	case "nothing":
		return nil, nil
	case "wait":
		<-ctx.Done()
		return nil, ctx.Err()
	case "metadata":
		md, _ := metadata.FromIncomingContext(ctx)
		if err := grpc.SetHeader(ctx, metadata.Pairs("h", "1")); err != nil {
			return nil, err
		}
		if err := grpc.SendHeader(ctx, metadata.Pairs("h", "2")); err != nil {
			return nil, err
		}
		if err := grpc.SetHeader(ctx, metadata.Pairs("h", "late")); err == nil {
			return nil, errors.New("a late header was taken")
		}
		if err := grpc.SetTrailer(ctx, metadata.Pairs("t", "3")); err != nil {
			return nil, err
		}
		return &testpb.SimpleResponse{Payload: payload(md.Get("x-sent")[0])}, nil
	case "context values":
		_, leaked := ctx.Value(valueKey{}).(string)
		_, outgoing := metadata.FromOutgoingContext(ctx)
		_, known := peer.FromContext(ctx)
		_, deadline := ctx.Deadline()
		method, _ := grpc.Method(ctx)
		if leaked || outgoing || !known || !deadline || method != testpb.TestService_UnaryCall_FullMethodName {
			return nil, status.Errorf(codes.Internal, "leaked %v outgoing %v peer %v deadline %v method %q", leaked, outgoing, known, deadline, method)
		}
	case "background":
		go func() { // ends with the call, as over the wire
			s.running.Add(1)
			defer s.running.Add(-1)
			<-ctx.Done()
		}()
	}
	resp := &testpb.SimpleResponse{Payload: payload("re: " + string(req.GetPayload().GetBody()))}
	s.kept.Store(resp)
	return resp, nil
}

func (s *server) StreamingOutputCall(req *testpb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[testpb.StreamingOutputCallResponse]) error {
	s.running.Add(1)
	defer s.running.Add(-1)
	if err := stream.SetHeader(metadata.Pairs("h", "1")); err != nil {
		return err
	}
	stream.SetTrailer(metadata.Pairs("t", "3"))
	body := string(req.GetPayload().GetBody())
	if body == "header only" {
		if err := stream.SendHeader(metadata.MD{}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return stream.Context().Err()
	}
	for range req.GetResponseParameters() {
		if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: payload("x")}); err != nil {
			return err
		}
	}
	switch body {
	case "fail after":
		return errs.New(llmv1.ErrorReason_ERROR_REASON_STREAM_INTERRUPTED, "cut")
	case "forever":
		for {
			if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: payload("x")}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *server) StreamingInputCall(stream grpc.ClientStreamingServer[testpb.StreamingInputCallRequest, testpb.StreamingInputCallResponse]) error {
	s.running.Add(1)
	defer s.running.Add(-1)
	var total int32
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&testpb.StreamingInputCallResponse{AggregatedPayloadSize: total})
		}
		if err != nil {
			return err
		}
		switch string(m.GetPayload().GetBody()) {
		case "stop":
			return errs.New(llmv1.ErrorReason_ERROR_REASON_CONFLICT, "enough")
		case "silent":
			return nil
		}
		total += int32(len(m.GetPayload().GetBody()))
	}
}

func (s *server) FullDuplexCall(stream grpc.BidiStreamingServer[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]) error {
	s.running.Add(1)
	defer s.running.Add(-1)
	for {
		m, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if string(m.GetPayload().GetBody()) == "stop" {
			return nil
		}
		if err := stream.Send(&testpb.StreamingOutputCallResponse{Payload: m.GetPayload()}); err != nil {
			return err
		}
	}
}

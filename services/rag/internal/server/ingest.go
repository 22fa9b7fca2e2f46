package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	ragv1 "github.com/tollgate/tollgate/gen/tollgate/rag/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/rag/internal/corpus"
	"github.com/tollgate/tollgate/services/rag/internal/library"
)

const (
	// maxDocuments bounds the documents of one stream.
	maxDocuments = 10_000
	// maxMetadata bounds the labels of a document, in bytes.
	maxMetadata = 16 << 10
)

// Ingest takes documents in, one after the other. A document that cannot be
// taken is reported and does not stop the rest; a store that is away does, and
// sending the stream again is harmless.
func (s *Server) Ingest(stream grpc.ClientStreamingServer[ragv1.IngestRequest, ragv1.IngestResponse]) error {
	p, err := caller(stream.Context(), writers...)
	if err != nil {
		return err
	}
	in := ingestion{server: s, principal: p, out: &ragv1.IngestResponse{}}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if h := m.GetHeader(); h != nil {
			err = in.begin(stream.Context(), h)
		} else {
			err = in.add(m.GetContent())
		}
		if err != nil {
			return err
		}
	}
	if err := in.finish(stream.Context()); err != nil {
		return err
	}
	return stream.SendAndClose(in.out)
}

// ingestion is one stream. It holds one document at a time.
type ingestion struct {
	server    *Server
	principal *auth.Principal
	out       *ragv1.IngestResponse

	source  *library.Source // the document that is coming in
	tooLong bool
}

func (in *ingestion) begin(ctx context.Context, h *ragv1.IngestRequest_Header) error {
	if err := in.finish(ctx); err != nil {
		return err
	}
	if len(in.out.GetResults()) == maxDocuments {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_BODY_TOO_LARGE, "one stream may bring %d documents", maxDocuments)
	}
	collection, name, err := documentOf(in.principal, "header.name", h.GetName())
	if err != nil {
		return err
	}
	size := 0
	for k, v := range h.GetMetadata() {
		size += len(k) + len(v)
	}
	if size > maxMetadata {
		return invalid("header.metadata", "metadata of %d bytes is over the limit of %d", size, maxMetadata)
	}
	in.tooLong = false
	in.source = &library.Source{
		Collection: collection, Name: name, Title: h.GetTitle(), URI: h.GetUri(),
		MediaType: h.GetMediaType(), Metadata: h.GetMetadata(),
	}
	return nil
}

func (in *ingestion) add(content []byte) error {
	if in.source == nil {
		return invalid("content", "a document begins with a header")
	}
	if in.tooLong || len(in.source.Content)+len(content) > in.server.maxDocument {
		in.tooLong, in.source.Content = true, nil // let the rest pass by
		return nil
	}
	in.source.Content = append(in.source.Content, content...)
	return nil
}

// finish takes in the document whose bytes are all there.
func (in *ingestion) finish(ctx context.Context) error {
	if in.source == nil {
		return nil
	}
	source := *in.source
	in.source = nil
	if in.tooLong {
		in.report(ctx, failed(source, fmt.Sprintf("the document is larger than %d bytes", in.server.maxDocument)))
		return nil
	}
	doc, outcome, err := in.server.library.Ingest(ctx, in.principal.Organization, source)
	if reason, refused := library.IsRefusal(err); refused {
		in.report(ctx, failed(source, reason))
		return nil
	}
	if err != nil {
		return err
	}
	in.report(ctx, &ragv1.IngestResponse_Result{Document: documentMessage(doc), Outcome: outcomes[outcome]})
	return nil
}

var outcomes = map[library.Outcome]ragv1.IngestResponse_Result_Outcome{
	library.Created:   ragv1.IngestResponse_Result_OUTCOME_CREATED,
	library.Replaced:  ragv1.IngestResponse_Result_OUTCOME_REPLACED,
	library.Unchanged: ragv1.IngestResponse_Result_OUTCOME_UNCHANGED,
}

func failed(source library.Source, reason string) *ragv1.IngestResponse_Result {
	return &ragv1.IngestResponse_Result{
		Document: documentMessage(corpus.Document{
			Collection: source.Collection, Name: source.Name, Title: source.Title, URI: source.URI,
			MediaType: source.MediaType, Metadata: source.Metadata, Size: int64(len(source.Content)),
		}),
		Outcome: ragv1.IngestResponse_Result_OUTCOME_FAILED, Failure: reason,
	}
}

func (in *ingestion) report(ctx context.Context, r *ragv1.IngestResponse_Result) {
	in.out.Results = append(in.out.Results, r)
	in.server.ingested.Add(ctx, 1, metric.WithAttributes(attribute.String("outcome", r.GetOutcome().String())))
}

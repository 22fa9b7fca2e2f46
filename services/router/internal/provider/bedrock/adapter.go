// Package bedrock is the adapter for Amazon Bedrock: conversations through
// Converse and ConverseStream, embeddings through InvokeModel, and the models of
// a region through the control plane.
package bedrock

import (
	"context"
	"io"
	"strconv"

	"github.com/aws/smithy-go/encoding/httpbinding"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/provider/awsauth"
	"github.com/tollgate/tollgate/services/router/internal/provider/upstream"
	"github.com/tollgate/tollgate/services/router/internal/stream"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
	"github.com/tollgate/tollgate/services/router/internal/wire/eventstream"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
	"github.com/tollgate/tollgate/services/router/internal/wire/refusal"
)

// Bedrock is the name under which a target chooses this adapter.
const Bedrock = "bedrock"

// Where the API begins, and the control plane, by region.
const (
	DefaultURL = "https://bedrock-runtime.{region}.amazonaws.com"
	controlURL = "https://bedrock.{region}.amazonaws.com"
)

// service is what requests are signed for.
const service = "bedrock"

// Adapter asks one target.
type Adapter struct {
	*upstream.Client
	catalog *catalog
}

var (
	_ provider.Adapter      = (*Adapter)(nil)
	_ provider.TokenCounter = (*Adapter)(nil)
	_ provider.Discoverer   = (*Adapter)(nil)
	_ provider.Prober       = (*Adapter)(nil)
	_ io.Closer             = (*Adapter)(nil)
)

// New makes the adapter of a target; it is a provider.Factory.
func New(t provider.Target) (provider.Adapter, error) {
	signer, err := awsauth.New(context.Background(), t, service, true)
	if err != nil {
		return nil, err
	}
	options := upstream.Options{Prepare: signer.Prepare, Refusal: converse.DecodeError}
	standard := awsauth.Address(provider.Target{Region: t.Region}, DefaultURL)
	control := t.AWS.ControlURL
	if t.BaseURL = awsauth.Address(t, DefaultURL); t.BaseURL == standard && control == "" {
		control = awsauth.Address(provider.Target{Region: t.Region}, controlURL)
	}
	client, err := upstream.New(t, options)
	if err != nil {
		return nil, err
	}
	a := &Adapter{Client: client}
	if control != "" { // an address of the operator's own may have no control plane
		t.BaseURL = control
		other, err := upstream.New(t, options)
		if err != nil {
			return nil, err
		}
		a.catalog = newCatalog(other, t.Region)
	}
	return a, nil
}

// Close drops the idle connections and ends what runs in the background.
func (a *Adapter) Close() error {
	if a.catalog != nil {
		a.catalog.close()
	}
	return a.Client.Close()
}

// Probe implements provider.Prober: the control plane is asked, if there is one.
func (a *Adapter) Probe(ctx context.Context, model string) error {
	if a.catalog == nil {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "the target has no control plane")
	}
	path := modelsPath
	if model != "" {
		path += "/" + httpbinding.EscapePath(model, true)
	}
	_, err := a.catalog.source.Get(ctx, path)
	return err
}

// place is the address of something to do with a model. Its name is escaped as
// the SDKs do it: an ARN is one segment of the path.
func place(model, verb string) string {
	return "/model/" + httpbinding.EscapePath(model, true) + "/" + verb
}

// Generate implements provider.Adapter.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	body, err := render(r, false)
	if err != nil {
		return nil, err
	}
	answer, err := a.Post(ctx, place(r.Model, "converse"), body)
	if err != nil {
		return nil, err
	}
	completion, err := converse.DecodeCompletion(answer)
	if err != nil {
		return nil, err
	}
	completion.Model = r.Model // the format does not say it
	return &provider.Answer{Completion: completion, Native: answer, Dialect: converse.Dialect}, nil
}

// Stream implements provider.Adapter.
func (a *Adapter) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	body, err := render(r, true)
	if err != nil {
		return nil, err
	}
	return a.Client.Stream(ctx, place(r.Model, "converse-stream"), body, upstream.Format{
		MediaType: converse.MediaType, Decoder: &decoder{model: r.Model},
		Frames: func(src io.Reader) upstream.Frames { return eventstream.NewReader(src) },
	})
}

// decoder adds the model, which the format does not say, to the beginning.
type decoder struct {
	converse.ChunkDecoder
	model string
}

// Decode implements upstream.Decoder.
func (d *decoder) Decode(frame []byte, c *stream.Chunk) error {
	err := d.ChunkDecoder.Decode(frame, c)
	if err == nil && len(c.Events) > 0 && c.Events[0].Kind == stream.Start {
		c.Events[0].Model = d.model
	}
	return err
}

// CountTokens implements provider.TokenCounter. Not every model is counted for;
// Bedrock refuses the others.
func (a *Adapter) CountTokens(ctx context.Context, r *provider.Request) (int64, error) {
	c := r.Conversation
	body, err := converse.EncodeConversation(&provider.Request{
		Model: r.Model, Context: r.Context,
		Conversation: &llmv1.Conversation{Messages: c.GetMessages(), Tools: c.GetTools(), ToolChoice: c.GetToolChoice()},
	}, false)
	if err != nil {
		return 0, err
	}
	body = append(append([]byte(`{"input":{"converse":`), body...), `}}`...)
	answer, err := a.Post(ctx, place(r.Model, "count-tokens"), body)
	if err != nil {
		return 0, err
	}
	return decodeCount(answer)
}

func decodeCount(answer []byte) (int64, error) {
	s := jsonscan.Scanner{Data: answer}
	n, ok := int64(0), false
	for s.Open('{'); s.Next('}'); {
		if string(s.Key()) == "inputTokens" {
			n, ok = s.Integer()
			continue
		}
		s.Skip()
	}
	if err := s.Finish(); err != nil {
		return 0, refusal.Unreadable(err)
	}
	if !ok || n < 0 {
		return 0, refusal.Unreadable(errNoCount)
	}
	return n, nil
}

// Offers implements provider.Discoverer.
func (a *Adapter) Offers(model string) (known, offered bool) {
	if a.catalog == nil {
		return false, false
	}
	return a.catalog.offers(model)
}

// Offerings implements provider.Discoverer.
func (a *Adapter) Offerings() []provider.Offering {
	if a.catalog == nil {
		return nil
	}
	return a.catalog.offerings()
}

// render writes the request: from the client's own bytes if they are in this format.
func render(r *provider.Request, streamed bool) ([]byte, error) {
	if r.Native != nil && r.Native.Dialect() == converse.Dialect {
		return r.Native.Render(r, streamed)
	}
	return converse.EncodeConversation(r, streamed)
}

// tokenHeader is where InvokeModel says how many tokens it read.
const tokenHeader = "X-Amzn-Bedrock-Input-Token-Count"

func headerCount(value string) (int64, bool) {
	n, err := strconv.ParseInt(value, 10, 64)
	return n, err == nil && n >= 0
}

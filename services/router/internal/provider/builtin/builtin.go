// Package builtin is the provider that needs no key, no network and no model:
// it answers a question by quoting the sentences of the retrieved passages that
// fit it best. It lets a newcomer see a whole request before any provider is
// configured, and it says what it is in every answer.
package builtin

import (
	"context"
	"crypto/rand"
	"encoding/hex"

	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Name is the provider's name in the configuration of targets.
const Name = "builtin"

// Adapter answers from Request.Passages. It keeps no state.
type Adapter struct{}

var _ provider.Adapter = (*Adapter)(nil)

// New makes the adapter; it is a provider.Factory and needs nothing of the target.
func New(provider.Target) (provider.Adapter, error) { return &Adapter{}, nil }

// Generate gives the whole answer.
func (a *Adapter) Generate(ctx context.Context, r *provider.Request) (*provider.Answer, error) {
	d, err := a.draft(ctx, r)
	if err != nil {
		return nil, err
	}
	completion := &llmv1.Completion{Id: d.id, Model: d.model, CreateTime: timestamppb.Now(), Usage: d.usage()}
	for i := range d.candidates {
		completion.Candidates = append(completion.Candidates, &llmv1.Candidate{
			Index: int32(i), // at most 128
			Message: &llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: []*llmv1.Part{{
				Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: d.text, Citations: d.citations}},
			}}},
			FinishReason: d.reason,
		})
	}
	return &provider.Answer{Completion: completion}, nil
}

// Stream gives the answer word by word.
func (a *Adapter) Stream(ctx context.Context, r *provider.Request) (stream.Reader, error) {
	d, err := a.draft(ctx, r)
	if err != nil {
		return nil, err
	}
	return newReader(ctx, d), nil
}

// Embed is refused: quoting needs no vectors, and this provider has no model to make any.
func (a *Adapter) Embed(context.Context, *provider.EmbedRequest) (*provider.Embeddings, error) {
	return nil, unsupported("model", "the built-in answerer makes no embeddings; configure a target that does")
}

// draft is an answer before it is delivered. All candidates are the same: the
// answer follows from the question and the passages alone.
type draft struct {
	id, model   string
	candidates  int
	text        string
	citations   []*llmv1.Citation
	reason      llmv1.FinishReason
	inputTokens int64
	pieces      []string // text cut into words, each with the space after it
}

func (a *Adapter) draft(ctx context.Context, r *provider.Request) (*draft, error) {
	if err := ctx.Err(); err != nil {
		return nil, errs.From(err)
	}
	if err := refuse(r.Conversation); err != nil {
		return nil, err
	}
	text, citations := answer(r)
	d := &draft{
		id: newID(), model: r.Model, candidates: candidateCount(r.Conversation),
		inputTokens: inputTokens(r), citations: citations,
	}
	d.cut(text, r.Conversation.GetSampling())
	return d, nil
}

// usage counts the input once and the output of every candidate.
func (d *draft) usage() *llmv1.Usage {
	return &llmv1.Usage{
		InputTokens:  d.inputTokens,
		OutputTokens: countPieces(d.pieces) * int64(d.candidates),
		Source:       llmv1.UsageSource_USAGE_SOURCE_PROVIDER,
	}
}

// refuse names what the conversation asks that quoting cannot give. Tools that
// may be called are ignored: not calling one is a legal answer.
func refuse(c *llmv1.Conversation) error {
	switch c.GetToolChoice().GetMode() {
	case llmv1.ToolChoice_MODE_REQUIRED, llmv1.ToolChoice_MODE_NAMED:
		return unsupported("tool_choice", "the built-in answerer calls no tools; configure a target that does")
	}
	if c.GetResponseFormat().GetFormat() != nil {
		return unsupported("response_format", "the built-in answerer quotes text and cannot write JSON; configure a target that does")
	}
	for _, p := range lastUserMessage(c).GetParts() {
		if p.GetImage() != nil || p.GetAudio() != nil || p.GetDocument() != nil {
			return unsupported("messages", "the built-in answerer reads text only; configure a target that reads images, sound and files")
		}
	}
	return nil
}

func unsupported(field, message string) *errs.Error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_UNSUPPORTED, "%s", message).WithField(field)
}

func candidateCount(c *llmv1.Conversation) int {
	return max(1, int(c.GetSampling().GetCandidateCount()))
}

func newID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return "builtin-" + hex.EncodeToString(b[:])
}

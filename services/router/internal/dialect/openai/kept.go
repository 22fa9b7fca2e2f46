package openai

import (
	"bytes"
	"context"
	"encoding/gob"
	"fmt"
	"log/slog"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/responses"
)

// kept is what is kept of a response. Conversation is what was said up to it
// and in it, without instructions; Items are the messages that its items are.
type kept struct {
	Body         []byte
	Conversation []byte
	Items        [][]byte
}

// keep keeps a response, if the client has not forbidden it. What the client
// was shown is kept, not what a guardrail took out. A keeper that is away, or has
// no room, costs the client its history, not its answer, which says so.
func (h *Handler) keep(ctx context.Context, caller *auth.Principal, r *responses.Request, asked []*llmv1.Message, done *responses.Response) {
	if !r.Store {
		return
	}
	ctx = context.WithoutCancel(ctx) // a client may go once it has seen the end
	data, err := encodeKept(asked, done)
	if err == nil {
		err = h.keeper.Put(ctx, ownerOf(caller), done.ID, data)
	}
	if err != nil {
		r.Store = false // what is repeated in the answer
		h.log.WarnContext(ctx, "keep response", slog.Any("error", err))
	}
}

func encodeKept(asked []*llmv1.Message, done *responses.Response) ([]byte, error) {
	said := asked
	if m := done.Message(); len(m.GetParts()) > 0 {
		said = append(said[:len(said):len(said)], m)
	}
	conversation, err := proto.Marshal(&llmv1.Conversation{Messages: said})
	if err != nil {
		return nil, fmt.Errorf("write conversation: %w", err)
	}
	k := kept{Body: done.Append(nil), Conversation: conversation}
	for _, parts := range done.Items() {
		item, err := proto.Marshal(&llmv1.Message{Role: llmv1.Role_ROLE_ASSISTANT, Parts: parts})
		if err != nil {
			return nil, fmt.Errorf("write item: %w", err)
		}
		k.Items = append(k.Items, item)
	}
	var buf bytes.Buffer
	if err := gob.NewEncoder(&buf).Encode(&k); err != nil {
		return nil, fmt.Errorf("write response: %w", err)
	}
	return buf.Bytes(), nil
}

// kept finds a response of the caller's; field is the parameter that names it.
func (h *Handler) kept(ctx context.Context, caller *auth.Principal, id, field string) (*kept, error) {
	if h.keeper == nil {
		return nil, notKept(field)
	}
	data, err := h.keeper.Get(ctx, ownerOf(caller), id)
	switch {
	case err != nil && field != "":
		return nil, errs.From(err).WithField(field)
	case err != nil:
		return nil, err
	case data == nil:
		return nil, notKept(field)
	}
	k := &kept{}
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(k); err != nil {
		return nil, errs.Internal(fmt.Errorf("read response: %w", err))
	}
	return k, nil
}

// notKept is the error for a response that the caller has not, or no more;
// nobody learns whether another has it.
func notKept(field string) error {
	e := errs.New(llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "no response of this id is kept")
	if field == "" {
		return e
	}
	return e.WithField(field)
}

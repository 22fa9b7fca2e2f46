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

// maxMessages is the most messages of a conversation, history included.
const maxMessages = 4096

// kept is what is kept of a response. Conversation is what was said up to it
// and in it, without instructions; Items are the messages that its items are.
type kept struct {
	Body         []byte
	Conversation []byte
	Items        [][]byte
}

// keep keeps a response, if the client has not forbidden it. What the client
// was shown is kept, not what a guardrail took out. A keeper that is away costs
// the client its history, not its answer.
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
	if err != nil {
		return nil, err
	}
	if data == nil {
		return nil, notKept(field)
	}
	k := &kept{}
	if err := gob.NewDecoder(bytes.NewReader(data)).Decode(k); err != nil {
		return nil, errs.Internal(fmt.Errorf("read response: %w", err))
	}
	return k, nil
}

// goOn puts what was said before in front of a request, and the items that it
// names where it names them.
func (h *Handler) goOn(ctx context.Context, caller *auth.Principal, r *responses.Request, c *llmv1.Conversation) error {
	messages, err := h.resolve(ctx, caller, r, c.GetMessages())
	if err != nil {
		return err
	}
	if r.Previous != "" {
		before, err := h.kept(ctx, caller, r.Previous, "previous_response_id")
		if err != nil {
			return err
		}
		history := &llmv1.Conversation{}
		if err := proto.Unmarshal(before.Conversation, history); err != nil {
			return errs.Internal(fmt.Errorf("read conversation: %w", err))
		}
		messages = append(history.GetMessages(), messages...)
	}
	if n := len(messages); n == 0 || n > maxMessages {
		return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT,
			"the conversation must have 1 to %d messages", maxMessages).WithField("input")
	}
	c.Messages = messages
	return nil
}

// resolve puts the items that a request names in their places. Items of one
// turn are one message.
func (h *Handler) resolve(ctx context.Context, caller *auth.Principal, r *responses.Request, messages []*llmv1.Message) ([]*llmv1.Message, error) {
	if len(r.References) == 0 {
		return messages, nil
	}
	var out []*llmv1.Message
	add := func(m *llmv1.Message) {
		if n := len(out); n > 0 && m.GetRole() == llmv1.Role_ROLE_ASSISTANT && out[n-1].GetRole() == llmv1.Role_ROLE_ASSISTANT {
			out[n-1].Parts = append(out[n-1].Parts, m.GetParts()...)
			return
		}
		out = append(out, m)
	}
	next := 0
	for i := range len(messages) + 1 {
		for ; next < len(r.References) && r.References[next].Before == i; next++ {
			item, err := h.item(ctx, caller, r.References[next].ID)
			if err != nil {
				return nil, err
			}
			if len(item.GetParts()) > 0 {
				add(item)
			}
		}
		if i < len(messages) {
			add(messages[i])
		}
	}
	return out, nil
}

func (h *Handler) item(ctx context.Context, caller *auth.Principal, id string) (*llmv1.Message, error) {
	response, index, ok := responses.ResponseOf(id)
	if !ok {
		return nil, notKept("input")
	}
	k, err := h.kept(ctx, caller, response, "input")
	if err != nil {
		return nil, err
	}
	if index >= len(k.Items) {
		return nil, notKept("input")
	}
	m := &llmv1.Message{}
	if err := proto.Unmarshal(k.Items[index], m); err != nil {
		return nil, errs.Internal(fmt.Errorf("read item: %w", err))
	}
	return m, nil
}

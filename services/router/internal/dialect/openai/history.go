package openai

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/responses"
)

// maxMessages is the most messages of a conversation, history included.
const maxMessages = 4096

// history is what one request comes back to. Each response is looked for once,
// however often the request names it.
type history struct {
	handler *Handler
	caller  *auth.Principal
	found   map[string]*kept
}

// goOn puts what was said before in front of a request, and the items that it
// names where it names them. What cannot be had refuses the request: without it
// the request would mean something else.
func (h *Handler) goOn(ctx context.Context, caller *auth.Principal, r *responses.Request, c *llmv1.Conversation) error {
	if len(r.References) > maxMessages {
		return tooMany()
	}
	y := &history{handler: h, caller: caller, found: make(map[string]*kept)}
	messages, err := y.resolve(ctx, r, c.GetMessages())
	if err != nil {
		return err
	}
	if r.Previous != "" {
		before, err := y.response(ctx, r.Previous, "previous_response_id")
		if err != nil {
			return err
		}
		said := &llmv1.Conversation{}
		if err := proto.Unmarshal(before.Conversation, said); err != nil {
			return errs.Internal(fmt.Errorf("read conversation: %w", err))
		}
		messages = append(said.GetMessages(), messages...)
	}
	if n := len(messages); n == 0 || n > maxMessages {
		return tooMany()
	}
	c.Messages = messages
	return nil
}

func tooMany() error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT,
		"the conversation must have 1 to %d messages", maxMessages).WithField("input")
}

// resolve puts the items that a request names in their places. Items of one
// turn are one message.
func (y *history) resolve(ctx context.Context, r *responses.Request, messages []*llmv1.Message) ([]*llmv1.Message, error) {
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
			item, err := y.item(ctx, r.References[next].ID)
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

func (y *history) item(ctx context.Context, id string) (*llmv1.Message, error) {
	response, index, ok := responses.ResponseOf(id)
	if !ok {
		return nil, notKept("input")
	}
	k, err := y.response(ctx, response, "input")
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

func (y *history) response(ctx context.Context, id, field string) (*kept, error) {
	if k := y.found[id]; k != nil {
		return k, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	k, err := y.handler.kept(ctx, y.caller, id, field)
	if err == nil {
		y.found[id] = k
	}
	return k, err
}

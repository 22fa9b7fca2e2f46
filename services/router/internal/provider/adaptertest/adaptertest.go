// Package adaptertest holds what the tests of provider adapters share.
package adaptertest

import (
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/router/internal/provider"
	"github.com/tollgate/tollgate/services/router/internal/stream"
)

// Ask is a request of one user message.
func Ask(model, text string) *provider.Request {
	return &provider.Request{Model: model, Conversation: &llmv1.Conversation{Model: model, Messages: []*llmv1.Message{{
		Role: llmv1.Role_ROLE_USER, Parts: []*llmv1.Part{{Content: &llmv1.Part_Text{Text: &llmv1.Text{Text: text}}}},
	}}}}
}

// Read reads a stream to its end: its text and its last usage.
func Read(r stream.Reader) (text string, usage *llmv1.Usage, err error) {
	defer func() { _ = r.Close() }()
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return text, usage, nil
		}
		if err != nil {
			return text, usage, err
		}
		for i := range c.Events {
			switch e := &c.Events[i]; e.Kind {
			case stream.Text:
				text += string(e.Delta)
			case stream.Usage:
				usage = proto.CloneOf(e.Tokens) // a reader may use it again
			}
		}
	}
}

// ReadOpened is Read of a stream that may have failed to open.
func ReadOpened(r stream.Reader, err error) (string, *llmv1.Usage, error) {
	if err != nil {
		return "", nil, err
	}
	return Read(r)
}

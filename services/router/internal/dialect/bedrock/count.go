package bedrock

import (
	"encoding/base64"
	"net/http"
	"strconv"

	"github.com/tollgate/tollgate/services/internal/platform/auth"
	"github.com/tollgate/tollgate/services/router/internal/dialect"
	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// countTokens answers CountTokens.
func (h *Handler) countTokens(w http.ResponseWriter, r *http.Request, caller *auth.Principal) error {
	body, err := bodyOf(w, r)
	if err != nil {
		return err
	}
	asked, err := readCount(body)
	if err != nil {
		return err
	}
	call, err := h.Call(r, caller)
	if err != nil {
		return err
	}
	if asked.invoke {
		f, ok := families[formatOf(asked.body, modelOf(r))]
		if !ok {
			return errUnknownFormat()
		}
		call.Native, call.Conversation, err = f.parse(asked.body, modelOf(r), false)
	} else {
		call.Native, call.Conversation, err = converse.ParseRequest(asked.body, modelOf(r))
	}
	if err != nil {
		return err
	}
	count, err := h.Gateway.CountTokens(r.Context(), call)
	if err != nil {
		return err
	}
	answer := strconv.AppendInt([]byte(`{"inputTokens":`), count.Tokens, 10)
	dialect.WriteJSON(w, append(answer, '}'))
	return nil
}

// counted is the request whose tokens are counted.
type counted struct {
	body   []byte
	invoke bool // a body of InvokeModel, else one of Converse
}

// readCount finds the request in {"input": {"converse": {…}}} or
// {"input": {"invokeModel": {"body": "base64"}}}.
func readCount(raw []byte) (*counted, error) {
	at := &jsonscan.Path{Name: "input"}
	s := jsonscan.Scanner{Data: raw}
	var asked *counted
	var fault error
	object(&s, func(name string) {
		if name != "input" {
			s.Skip()
			return
		}
		object(&s, func(name string) {
			switch {
			case asked != nil:
				fault = at.Invalid("must have one member")
				s.Skip()
			case name == "converse":
				span := s.Skip()
				asked = &counted{body: raw[span.Start:span.End]}
			case name == "invokeModel":
				asked = &counted{invoke: true}
				object(&s, func(name string) {
					if name != "body" {
						s.Skip()
						return
					}
					var err error
					if asked.body, err = base64.StdEncoding.DecodeString(s.OptionalValue(s.OptionalText())); err != nil {
						fault = (&jsonscan.Path{Parent: at, Name: "invokeModel.body"}).Invalid("must be base64")
					}
				})
			default:
				s.Skip()
			}
		})
	})
	if err := s.Finish(); err != nil {
		return nil, (&jsonscan.Path{Name: "body"}).Invalid("%s", err)
	}
	if asked == nil && fault == nil {
		fault = at.Invalid("must have the member converse or invokeModel")
	}
	return asked, fault
}

// object reads the members of an object.
func object(s *jsonscan.Scanner, member func(name string)) {
	for s.Open('{'); s.Next('}'); {
		member(string(s.Key()))
	}
}

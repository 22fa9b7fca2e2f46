package sagemaker

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/tollgate/tollgate/services/router/internal/wire/converse"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// containerError reads a ModelError: the container answered with an error,
// whose status and body stand in this one.
func containerError(header http.Header, body []byte) (status int, original []byte, ok bool) {
	kind, _, _ := strings.Cut(header.Get(converse.ErrorTypeHeader), ":")
	s := jsonscan.Scanner{Data: body}
	if s.Peek() != '{' {
		return 0, nil, false
	}
	for s.Open('{'); s.Next('}'); {
		switch string(s.Key()) {
		case "OriginalStatusCode":
			n, known := s.Integer()
			if known && n >= http.StatusBadRequest && n < 600 {
				status = int(n)
			}
		case "OriginalMessage":
			original = []byte(s.OptionalValue(s.OptionalText()))
		case "__type":
			if text := s.OptionalValue(s.OptionalText()); kind == "" {
				kind = text
			}
		default:
			s.Skip()
		}
	}
	return status, original, s.Err == nil && status != 0 && strings.HasSuffix(kind, "ModelError")
}

// noEndpoint says whether a refusal is about an endpoint that is not there;
// SageMaker calls that a validation error, too.
func noEndpoint(body []byte) bool {
	return bytes.Contains(body, []byte("Endpoint")) && bytes.Contains(body, []byte("not found"))
}

// timedOut says whether a container did not answer in time; SageMaker calls
// that an error of the model.
func timedOut(body []byte) bool { return bytes.Contains(body, []byte("timed out")) }

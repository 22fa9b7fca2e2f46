package gemini

import (
	"slices"
	"strconv"

	"google.golang.org/genproto/googleapis/rpc/code"

	"github.com/tollgate/tollgate/services/internal/platform/errs"
	"github.com/tollgate/tollgate/services/router/internal/wire/jsonscan"
)

// typeURL begins the names of Google's error details.
const typeURL = "type.googleapis.com/google.rpc."

// AppendError writes an error as Google's APIs do, as a body or as the data of
// a stream's event: a status with details.
func AppendError(dst []byte, err error) []byte {
	e := errs.From(err)
	dst = append(dst, `{"error":{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.HTTPStatus()), 10)
	dst = append(dst, `,"message":`...)
	dst = jsonscan.AppendString(dst, e.Message)
	dst = append(dst, `,"status":`...)
	dst = jsonscan.AppendString(dst, code.Code(int32(e.Code)).String()) // a gRPC code is small
	dst = append(dst, `,"details":[{"@type":"`+typeURL+`ErrorInfo","reason":`...)
	dst = jsonscan.AppendString(dst, e.ReasonName())
	dst = append(dst, `,"domain":"`+errs.Domain+`"`...)
	dst = appendMetadata(dst, e.Metadata)
	dst = append(dst, '}')
	dst = appendViolations(dst, e)
	if e.RetryAfter > 0 {
		dst = append(dst, `,{"@type":"`+typeURL+`RetryInfo","retryDelay":"`...)
		dst = strconv.AppendFloat(dst, e.RetryAfter.Seconds(), 'f', -1, 64)
		dst = append(dst, `s"}`...)
	}
	return append(dst, `]}}`...)
}

func appendMetadata(dst []byte, metadata map[string]string) []byte {
	if len(metadata) == 0 {
		return dst
	}
	names := make([]string, 0, len(metadata))
	for name := range metadata {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, `,"metadata":{`...)
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, name)
		dst = append(dst, ':')
		dst = jsonscan.AppendString(dst, metadata[name])
	}
	return append(dst, '}')
}

// appendViolations names the fields at fault.
func appendViolations(dst []byte, e *errs.Error) []byte {
	violations := e.Violations
	if len(violations) == 0 && e.Field != "" {
		violations = []errs.Violation{{Field: e.Field, Message: e.Message}}
	}
	if len(violations) == 0 {
		return dst
	}
	dst = append(dst, `,{"@type":"`+typeURL+`BadRequest","fieldViolations":[`...)
	for i, v := range violations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"field":`...)
		dst = jsonscan.AppendString(dst, v.Field)
		dst = append(dst, `,"description":`...)
		dst = jsonscan.AppendString(dst, v.Message)
		dst = append(dst, '}')
	}
	return append(dst, `]}`...)
}

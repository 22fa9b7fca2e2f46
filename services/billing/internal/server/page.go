package server

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

// Page sizes of every list.
const (
	defaultPageSize = 100
	maxPageSize     = 1000
)

func pageSize(asked int32) int {
	if asked <= 0 {
		return defaultPageSize
	}
	return min(int(asked), maxPageSize)
}

// A page token is the cursor of the last row, marked with the list that it is
// of, so that a token of another list is noticed.
func pageToken(list, cursor string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + ":" + cursor))
}

func cursorOf(list, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(token)
	cursor, ok := strings.CutPrefix(string(decoded), list+":")
	if err != nil || !ok {
		return "", badToken()
	}
	return cursor, nil
}

func numberOf(list, token string) (int64, error) {
	cursor, err := cursorOf(list, token)
	if err != nil || cursor == "" {
		return 0, err
	}
	number, err := strconv.ParseInt(cursor, 10, 64)
	if err != nil {
		return 0, badToken()
	}
	return number, nil
}

func badToken() error {
	return errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "the page token is not of this list").WithField("page_token")
}

// paged cuts a list that was asked for with one row more than the page holds.
func paged[T any](rows []T, size int, list string, cursor func(*T) string) ([]T, string) {
	if len(rows) <= size {
		return rows, ""
	}
	return rows[:size], pageToken(list, cursor(&rows[size-1]))
}

// stampOf leaves times that are not set out of messages.
func stampOf(at time.Time) *timestamppb.Timestamp {
	if at.IsZero() {
		return nil
	}
	return timestamppb.New(at)
}

// timeOf reads a time that may be absent.
func timeOf(stamp *timestamppb.Timestamp) time.Time {
	if stamp == nil {
		return time.Time{}
	}
	return stamp.AsTime()
}

// id takes a resource name apart; a bare id passes too.
func id(collection, name string) string { return strings.TrimPrefix(name, collection+"/") }

// name is the resource name of an id; none stays none.
func name(collection, id string) string {
	if id == "" {
		return ""
	}
	return collection + "/" + id
}

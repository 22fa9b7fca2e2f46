package errs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	llmv1 "github.com/tollgate/tollgate/gen/tollgate/llm/v1"
	"github.com/tollgate/tollgate/services/internal/platform/errs"
)

const rateLimited = llmv1.ErrorReason_ERROR_REASON_RATE_LIMITED

// internalReasons may map to INTERNAL's row; a missing row falls back to it.
var internalReasons = map[llmv1.ErrorReason]bool{llmv1.ErrorReason_ERROR_REASON_INTERNAL: true}

func TestEveryReasonHasARow(t *testing.T) {
	for number, name := range llmv1.ErrorReason_name {
		reason := llmv1.ErrorReason(number)
		if number == 0 || internalReasons[reason] {
			continue
		}
		if errs.HTTPStatus(reason) == 500 {
			t.Errorf("%s has no row in the table", name)
		}
		e := errs.New(reason, "")
		if e.Message == "" || e.Message == "internal error" || e.Code == codes.OK {
			t.Errorf("%s: text %q, code %v", name, e.Message, e.Code)
		}
		if strings.HasPrefix(e.ReasonName(), "ERROR_REASON_") {
			t.Errorf("reason name %q keeps its prefix", e.ReasonName())
		}
	}
}

// overTheWire gives the error that a client sees.
func overTheWire(t *testing.T, err error) error {
	t.Helper()
	data, merr := proto.Marshal(status.Convert(err).Proto())
	if merr != nil {
		t.Fatal(merr)
	}
	st := status.New(codes.OK, "").Proto()
	if uerr := proto.Unmarshal(data, st); uerr != nil {
		t.Fatal(uerr)
	}
	return status.FromProto(st).Err()
}

func TestRoundTripOverGRPC(t *testing.T) {
	for number := range llmv1.ErrorReason_name {
		if number == 0 {
			continue
		}
		sent := errs.New(llmv1.ErrorReason(number), "text %d", number).
			WithField("messages[0].role").WithRetryAfter(1500*time.Millisecond).
			WithMetadata("scope", "team").WithCause(errors.New("dial 10.0.0.1:5432"))
		got := errs.From(fmt.Errorf("call: %w", overTheWire(t, sent)))
		if got.Reason != sent.Reason || got.Code != sent.Code || got.Message != sent.Message ||
			got.Field != sent.Field || got.RetryAfter != sent.RetryAfter {
			t.Errorf("sent %+v, got %+v", sent, got)
		}
		if diff := cmp.Diff(sent.Metadata, got.Metadata); diff != "" {
			t.Error(diff)
		}
	}
}

func TestStatusDetails(t *testing.T) {
	e := errs.New(llmv1.ErrorReason_ERROR_REASON_INVALID_ARGUMENT, "two faults").WithViolations(
		errs.Violation{Field: "model", Message: "is empty"}, errs.Violation{Field: "n", Message: "is negative"})
	var info *errdetails.ErrorInfo
	var bad *errdetails.BadRequest
	for _, d := range e.GRPCStatus().Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			info = d
		case *errdetails.BadRequest:
			bad = d
		}
	}
	if info.GetReason() != "INVALID_ARGUMENT" || info.GetDomain() != "tollgate.dev" || info.GetMetadata()["field"] != "model" {
		t.Errorf("info = %v", info)
	}
	if len(bad.GetFieldViolations()) != 2 || bad.GetFieldViolations()[1].GetField() != "n" {
		t.Errorf("bad request = %v", bad)
	}
	if got := errs.From(overTheWire(t, e)); len(got.Violations) != 2 {
		t.Errorf("violations lost: %+v", got)
	}
}

func TestFrom(t *testing.T) {
	mine := errs.New(rateLimited, "slow down")
	foreign, err := status.New(codes.NotFound, "x").WithDetails(&errdetails.ErrorInfo{Reason: "RATE_LIMITED", Domain: "example.com"})
	if err != nil {
		t.Fatal(err)
	}
	unknown, err := status.New(codes.Unavailable, "later version").WithDetails(&errdetails.ErrorInfo{Reason: "NEW", Domain: errs.Domain})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		err     error
		reason  llmv1.ErrorReason
		message string
	}{
		{"own", mine, rateLimited, "slow down"},
		{"own wrapped", fmt.Errorf("reserve: %w", mine), rateLimited, "slow down"},
		{"own over context", mine.WithCause(context.Canceled), rateLimited, "slow down"},
		{"cancelled", fmt.Errorf("read: %w", context.Canceled), llmv1.ErrorReason_ERROR_REASON_CANCELLED, "the caller cancelled the request"},
		{"deadline", context.DeadlineExceeded, llmv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, "the deadline passed"},
		{"plain", errors.New("pq: password wrong"), llmv1.ErrorReason_ERROR_REASON_INTERNAL, "internal error"},
		{"transport", status.Error(codes.Unavailable, "dial tcp 10.1.2.3:443"), llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "the service is unavailable"},
		{"unknown code", status.Error(codes.Code(99), "x"), llmv1.ErrorReason_ERROR_REASON_INTERNAL, "internal error"},
		{"foreign domain", foreign.Err(), llmv1.ErrorReason_ERROR_REASON_NOT_FOUND, "the resource does not exist"},
		{"unknown reason", unknown.Err(), llmv1.ErrorReason_ERROR_REASON_UNAVAILABLE, "later version"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := errs.From(tt.err)
			if got.Reason != tt.reason || got.Error() != tt.message {
				t.Errorf("got %v %q", got.Reason, got.Error())
			}
			if !errs.Is(tt.err, tt.reason) || errs.Is(tt.err, llmv1.ErrorReason_ERROR_REASON_UNPRICED) {
				t.Error("Is disagrees with From")
			}
		})
	}
	if errs.From(nil) != nil || errs.Is(nil, rateLimited) {
		t.Error("From(nil) must be nil")
	}
}

func TestWithReturnsCopies(t *testing.T) {
	base := errs.New(rateLimited, "base").WithMetadata("a", "1")
	_ = base.WithField("f").WithRetryAfter(time.Second).WithMetadata("b", "2").WithCause(errors.New("c"))
	if base.Field != "" || base.RetryAfter != 0 || len(base.Metadata) != 1 || base.Unwrap() != nil {
		t.Errorf("base was changed: %+v", base)
	}
}

func TestCauseIsForTheLogOnly(t *testing.T) {
	const inside = "dial 10.0.0.1:5432"
	e := errs.Internal(errors.New(inside))
	wire, err := json.Marshal(e.GRPCStatus().Proto())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(e.Error(), inside) || strings.Contains(string(wire), inside) {
		t.Error("the cause reached the caller")
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Error("failed", "err", e)
	if !strings.Contains(log.String(), inside) {
		t.Errorf("the log lacks the cause: %s", log.String())
	}
	if e.Message == "" || errors.Unwrap(e) == nil {
		t.Error("text or cause missing")
	}
}

func TestZeroErrorIsNoSuccess(t *testing.T) {
	if got := new(errs.Error).GRPCStatus().Code(); got != codes.Internal {
		t.Errorf("code = %v", got)
	}
}

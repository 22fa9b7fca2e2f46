package spool

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// quarantineFile holds the records that billing refused for good, a line each.
const quarantineFile = "quarantine.jsonl"

// maxQuarantine bounds it; beyond that a record is in the log only.
const maxQuarantine = 64 << 20

type refused struct {
	Status  string          `json:"status"`
	Message string          `json:"message"`
	Record  json.RawMessage `json:"record"`
}

// quarantine puts a record aside for a person to look at.
func (s *Spool) quarantine(record *billingv1.UsageRecord, r *billingv1.RecordUsageResponse) {
	s.options.Log.Error("billing refused a usage record; it is put aside",
		slog.String("request_id", record.GetRequestId()), slog.Int("attempt", int(record.GetAttempt())),
		slog.String("status", r.GetStatus().String()), slog.String("reason", r.GetMessage()))
	body, err := protojson.Marshal(record)
	if err == nil {
		body, err = json.Marshal(refused{r.GetStatus().String(), r.GetMessage(), body})
	}
	if err == nil {
		err = appendLine(filepath.Join(s.dir, quarantineFile), body)
	}
	if err != nil {
		s.options.Log.Error("put usage record aside", slog.Any("error", err))
	}
}

func appendLine(path string, line []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Size() > maxQuarantine {
		err = errors.New("the quarantine file is full")
	}
	if err == nil {
		_, err = file.Write(append(line, '\n'))
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

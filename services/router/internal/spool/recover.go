package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	billingv1 "github.com/tollgate/tollgate/gen/tollgate/billing/v1"
)

// recover reads what a former process left: torn ends are cut off, final
// records wait to be shipped, and intents without one become records.
func (s *Spool) recover() error {
	sequences, err := s.list()
	if err != nil {
		return err
	}
	lost := make(map[identity]*billingv1.UsageRecord)
	for i, sequence := range sequences {
		g := &segment{sequence: sequence, path: segmentPath(s.dir, sequence)}
		s.next = sequence + 1
		if err := s.readSegment(g, lost, i == len(sequences)-1); err != nil {
			return err
		}
	}
	if err := s.rotate(); err != nil {
		return err
	}
	return s.endLost(lost)
}

func (s *Spool) list() ([]uint64, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var sequences []uint64
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok {
			continue
		}
		sequence, err := strconv.ParseUint(name, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is no segment of a spool", e.Name())
		}
		sequences = append(sequences, sequence)
	}
	slices.Sort(sequences)
	return sequences, nil
}

// readSegment does the books of a file and cuts off what is not whole.
func (s *Spool) readSegment(g *segment, lost map[identity]*billingv1.UsageRecord, last bool) error {
	file, err := os.Open(g.path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	s.segments = append(s.segments, g)
	c := cursor{file: file}
	for {
		k, payload, err := c.next(info.Size())
		if errors.Is(err, io.EOF) {
			break
		}
		var record *billingv1.UsageRecord
		if err == nil {
			record, err = decode(payload)
		}
		if err != nil {
			if err := s.cut(g, c.offset(), info.Size(), last); err != nil {
				return err
			}
			break
		}
		size := int64(headerBytes + len(payload))
		g.size += size
		id := identityOf(record)
		s.book(k, id, g, size)
		if k == kindIntent {
			lost[id] = record
		} else {
			delete(lost, id)
		}
	}
	s.bytes += g.size
	return nil
}

// cut truncates a file at the end of its last whole frame. The last file ends
// torn whenever a crash cut a write; in an earlier one it means that the disk is
// damaged, and a copy is kept for whoever looks into it.
func (s *Spool) cut(g *segment, at, size int64, last bool) error {
	s.options.Log.Warn("cut a damaged usage segment", "segment", filepath.Base(g.path), "at", at, "of", size)
	if !last {
		data, err := os.ReadFile(g.path)
		if err != nil {
			return err
		}
		if err := os.WriteFile(g.path+".damaged", data, 0o600); err != nil {
			return err
		}
	}
	return os.Truncate(g.path, at)
}

// endLost turns intents that nobody ended into final records.
func (s *Spool) endLost(lost map[identity]*billingv1.UsageRecord) error {
	for _, record := range lost {
		frame, err := appendFrame(nil, kindFinal, record)
		if err != nil {
			return err
		}
		active := s.segments[len(s.segments)-1]
		if err := active.append(frame); err != nil {
			return err
		}
		s.bytes += int64(len(frame))
		s.written++
		s.book(kindFinal, identityOf(record), active, int64(len(frame)))
	}
	if len(lost) > 0 {
		s.options.Log.Warn("attempts were cut off by a crash; their usage is estimated", "attempts", len(lost))
	}
	return nil
}

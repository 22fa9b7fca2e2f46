package qdrantlocal

import (
	"log/slog"
	"time"
)

// SyncPolicy says when written records are forced to the disk.
type SyncPolicy string

// A write acknowledged under any policy survives the death of the process;
// the policies differ in what survives the death of the machine.
const (
	// SyncAlways forces every waited-for write before it is acknowledged.
	SyncAlways SyncPolicy = "always"
	// SyncInterval forces writes in the background once per interval.
	SyncInterval SyncPolicy = "interval"
	// SyncNever leaves it to the operating system.
	SyncNever SyncPolicy = "never"
)

// Limits bound what one request or one collection may cost.
type Limits struct {
	// BatchPoints is the most points one upsert may carry.
	BatchPoints int
	// PayloadBytes is the most bytes one point's payload may take, encoded.
	PayloadBytes int
	// DenseDimensions is the largest dense vector a collection may declare.
	DenseDimensions int
	// SparseElements is the most non-zero elements of one sparse vector.
	SparseElements int
	// ResultPoints is the most points one query, scroll or get may return.
	ResultPoints int
	// FilterConditions is the most conditions one filter may hold, nested ones included.
	FilterConditions int
	// Collections is the most collections one server may hold.
	Collections int
	// MessageBytes is the largest gRPC message either side accepts.
	MessageBytes int
}

// DefaultLimits are generous for the rag service and small for a machine.
func DefaultLimits() Limits {
	return Limits{
		BatchPoints:      4096,
		PayloadBytes:     1 << 20,
		DenseDimensions:  8192,
		SparseElements:   1 << 16,
		ResultPoints:     10_000,
		FilterConditions: 4096,
		Collections:      64,
		MessageBytes:     64 << 20,
	}
}

// Options configure a Server. The zero value is completed with defaults.
type Options struct {
	// Sync is the durability policy; SyncAlways when empty.
	Sync SyncPolicy
	// SyncEvery is the period of SyncInterval; 100 ms when zero.
	SyncEvery time.Duration
	// CompactBytes is how much garbage a log gathers, at least, before it is
	// rewritten; 16 MiB when zero.
	CompactBytes int64
	// Limits bound requests; DefaultLimits when zero.
	Limits Limits
	// Log receives recovery and compaction notes; discarded when nil.
	Log *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Sync == "" {
		o.Sync = SyncAlways
	}
	if o.SyncEvery <= 0 {
		o.SyncEvery = 100 * time.Millisecond
	}
	if o.CompactBytes <= 0 {
		o.CompactBytes = 16 << 20
	}
	if o.Limits == (Limits{}) {
		o.Limits = DefaultLimits()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

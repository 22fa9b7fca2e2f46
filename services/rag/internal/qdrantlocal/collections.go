package qdrantlocal

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/qdrant/go-client/qdrant"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Create makes a collection. Quantisation, sharding and index settings are
// accepted and have no effect: the embedded store scans exactly.
func (s collectionsServer) Create(_ context.Context, in *qdrant.CreateCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	name := in.GetCollectionName()
	if !validName.MatchString(name) {
		return nil, invalid("collection name `%s`: letters, digits, - and _, at most 128", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.collections[name]; ok {
		return nil, status.Errorf(codes.AlreadyExists, "Wrong input: Collection `%s` already exists!", name)
	}
	if len(s.collections) >= s.opts.Limits.Collections {
		return nil, invalid("the embedded store holds at most %d collections", s.opts.Limits.Collections)
	}
	def, _ := proto.Clone(in).(*qdrant.CreateCollection)
	c, err := createCollection(s.dir, def, s.opts)
	if err != nil {
		return nil, failed(err)
	}
	s.collections[name] = c
	return &qdrant.CollectionOperationResponse{Result: true, Time: since(start)}, nil
}

// Delete removes a collection and its files.
func (s collectionsServer) Delete(_ context.Context, in *qdrant.DeleteCollection) (*qdrant.CollectionOperationResponse, error) {
	start := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.collections[in.GetCollectionName()]
	if !ok {
		return &qdrant.CollectionOperationResponse{Result: false, Time: since(start)}, nil
	}
	delete(s.collections, in.GetCollectionName())
	if err := c.close(); err != nil {
		c.log.Warn("close log", "error", err)
	}
	if err := removeDir(c.dir, s.dir); err != nil {
		return nil, failed(err)
	}
	return &qdrant.CollectionOperationResponse{Result: true, Time: since(start)}, nil
}

// removeDir renames first: a crash in between must not leave half a collection.
func removeDir(dir, parent string) error {
	gone := dir + deletedSuffix
	if err := os.RemoveAll(gone); err != nil {
		return fmt.Errorf("delete collection: %w", err)
	}
	if err := os.Rename(dir, gone); err != nil {
		return fmt.Errorf("delete collection: %w", err)
	}
	if err := syncDir(parent); err != nil {
		return err
	}
	return os.RemoveAll(gone)
}

// List names the collections.
func (s collectionsServer) List(context.Context, *qdrant.ListCollectionsRequest) (*qdrant.ListCollectionsResponse, error) {
	start := time.Now()
	var names []string
	for _, c := range s.all() {
		names = append(names, c.def.GetCollectionName())
	}
	slices.Sort(names)
	out := &qdrant.ListCollectionsResponse{}
	for _, n := range names {
		out.Collections = append(out.Collections, &qdrant.CollectionDescription{Name: n})
	}
	out.Time = since(start)
	return out, nil
}

// CollectionExists tells whether there is such a collection.
func (s collectionsServer) CollectionExists(_ context.Context, in *qdrant.CollectionExistsRequest) (*qdrant.CollectionExistsResponse, error) {
	start := time.Now()
	_, err := s.find(in.GetCollectionName())
	return &qdrant.CollectionExistsResponse{Result: &qdrant.CollectionExists{Exists: err == nil}, Time: since(start)}, nil
}

// Get describes a collection: its definition, its indexed fields and counts.
func (s collectionsServer) Get(_ context.Context, in *qdrant.GetCollectionInfoRequest) (*qdrant.GetCollectionInfoResponse, error) {
	start := time.Now()
	c, err := s.find(in.GetCollectionName())
	if err != nil {
		return nil, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	fields := make(map[string]*qdrant.PayloadSchemaInfo, len(c.index.fields))
	for name, def := range c.index.fields {
		// The two enums differ by one: the schema type has "unknown" first.
		t := qdrant.PayloadSchemaType(def.GetFieldType() + 1)
		fields[name] = &qdrant.PayloadSchemaInfo{DataType: t, Params: def.GetFieldIndexParams()}
	}
	info := &qdrant.CollectionInfo{
		Status:          qdrant.CollectionStatus_Green,
		OptimizerStatus: &qdrant.OptimizerStatus{Ok: true},
		SegmentsCount:   1,
		PointsCount:     qdrant.PtrOf(uint64(c.index.len())), // a count
		PayloadSchema:   fields,
		Config: &qdrant.CollectionConfig{Params: &qdrant.CollectionParams{
			ShardNumber:         1,
			VectorsConfig:       c.def.GetVectorsConfig(),
			SparseVectorsConfig: c.def.GetSparseVectorsConfig(),
		}},
	}
	return &qdrant.GetCollectionInfoResponse{Result: info, Time: since(start)}, nil
}

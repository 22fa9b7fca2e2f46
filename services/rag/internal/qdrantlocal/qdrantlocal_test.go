package qdrantlocal

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/qdrant/go-client/qdrant"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, dir string, opts Options) (*Server, *qdrant.Client) {
	t.Helper()
	s, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	c, err := qdrant.NewClient(&qdrant.Config{
		Host: Target, PoolSize: 1, SkipCompatibilityCheck: true, GrpcOptions: s.DialOptions(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

func definition(name string) *qdrant.CreateCollection {
	return &qdrant.CreateCollection{
		CollectionName: name,
		VectorsConfig:  qdrant.NewVectorsConfigMap(map[string]*qdrant.VectorParams{"d": {Size: 2, Distance: qdrant.Distance_Cosine}}),
		SparseVectorsConfig: qdrant.NewSparseVectorsConfig(map[string]*qdrant.SparseVectorParams{
			"s": {Modifier: qdrant.PtrOf(qdrant.Modifier_Idf)},
		}),
	}
}

type doc struct {
	id      uint64
	terms   map[uint32]float32
	payload map[string]any
}

func (d doc) point() *qdrant.PointStruct {
	var idx []uint32
	var val []float32
	for t, w := range d.terms {
		idx, val = append(idx, t), append(val, w)
	}
	return &qdrant.PointStruct{
		Id: qdrant.NewIDNum(d.id), Payload: qdrant.NewValueMap(d.payload),
		Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"s": qdrant.NewVectorSparse(idx, val)}),
	}
}

func upsert(t testing.TB, c *qdrant.Client, name string, docs ...doc) {
	t.Helper()
	in := &qdrant.UpsertPoints{CollectionName: name, Wait: qdrant.PtrOf(true)}
	for _, d := range docs {
		in.Points = append(in.Points, d.point())
	}
	if _, err := c.Upsert(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func search(t testing.TB, c *qdrant.Client, name string, f *qdrant.Filter, terms map[uint32]float32) []*qdrant.ScoredPoint {
	t.Helper()
	var idx []uint32
	var val []float32
	for term, w := range terms {
		idx, val = append(idx, term), append(val, w)
	}
	out, err := c.Query(t.Context(), &qdrant.QueryPoints{
		CollectionName: name, Query: qdrant.NewQuerySparse(idx, val), Using: qdrant.PtrOf("s"), Filter: f,
		Limit: qdrant.PtrOf(uint64(100)), WithPayload: qdrant.NewWithPayload(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func idf(n, df float64) float64 { return math.Log((n-df+0.5)/(df+0.5) + 1) }

func near(t *testing.T, got float32, want float64) {
	t.Helper()
	if math.Abs(float64(got)-want) > 1e-5 {
		t.Errorf("score %v, want %v", got, want)
	}
}

func TestScoresFollowIDFAlsoAfterDeletes(t *testing.T) {
	_, c := open(t, t.TempDir(), Options{})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	upsert(t, c, "a",
		doc{1, map[uint32]float32{7: 2, 8: 1}, nil},
		doc{2, map[uint32]float32{7: 1}, nil},
		doc{3, map[uint32]float32{9: 1}, nil})
	hits := search(t, c, "a", nil, map[uint32]float32{7: 1})
	if len(hits) != 2 || hits[0].GetId().GetNum() != 1 {
		t.Fatalf("hits %v", hits)
	}
	near(t, hits[0].GetScore(), 2*idf(3, 2))

	upsert(t, c, "a", doc{2, map[uint32]float32{9: 1}, nil}) // replaced: no longer holds 7
	near(t, search(t, c, "a", nil, map[uint32]float32{7: 1})[0].GetScore(), 2*idf(3, 1))

	_, err := c.Delete(t.Context(), &qdrant.DeletePoints{
		CollectionName: "a", Wait: qdrant.PtrOf(true), Points: qdrant.NewPointsSelector(qdrant.NewIDNum(3)),
	})
	must(t, err)
	near(t, search(t, c, "a", nil, map[uint32]float32{7: 1})[0].GetScore(), 2*idf(2, 1))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilters(t *testing.T) {
	for _, indexed := range []bool{false, true} {
		t.Run(fmt.Sprintf("indexed=%v", indexed), func(t *testing.T) {
			_, c := open(t, t.TempDir(), Options{})
			must(t, c.CreateCollection(t.Context(), definition("a")))
			if indexed {
				_, err := c.CreateFieldIndex(t.Context(), &qdrant.CreateFieldIndexCollection{
					CollectionName: "a", FieldName: "org", FieldType: qdrant.PtrOf(qdrant.FieldType_FieldTypeKeyword),
					FieldIndexParams: qdrant.NewPayloadIndexParamsKeyword(&qdrant.KeywordIndexParams{IsTenant: qdrant.PtrOf(true)}),
				})
				must(t, err)
			}
			upsert(t, c, "a",
				doc{1, map[uint32]float32{1: 1}, map[string]any{"org": "x", "n": 5, "ok": true}},
				doc{2, map[uint32]float32{1: 1}, map[string]any{"org": "y", "n": 9, "deep": map[string]any{"k": "v"}}},
				doc{3, map[uint32]float32{1: 1}, map[string]any{"org": []any{"x", "y"}}},
				doc{4, map[uint32]float32{1: 1}, nil})
			cases := []struct {
				name string
				f    *qdrant.Filter
				want string
			}{
				{"none", nil, "[1 2 3 4]"},
				{"keyword", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("org", "x")}}, "[1 3]"},
				{"unknown value", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("org", "z")}}, "[]"},
				{"any", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchKeywords("org", "x", "y")}}, "[1 2 3]"},
				{"except", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchExcept("org", "x")}}, "[2 3]"},
				{"integer", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchInt("n", 5)}}, "[1]"},
				{"bool", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatchBool("ok", true)}}, "[1]"},
				{"range", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewRange("n", &qdrant.Range{Gt: qdrant.PtrOf(5.0), Lte: qdrant.PtrOf(9.0)})}}, "[2]"},
				{"nested key", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("deep.k", "v")}}, "[2]"},
				{"must not", &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewMatch("org", "x")}}, "[2 4]"},
				{"should", &qdrant.Filter{Should: []*qdrant.Condition{qdrant.NewMatchInt("n", 5), qdrant.NewMatchInt("n", 9)}}, "[1 2]"},
				{"empty", &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewIsEmpty("org")}}, "[4]"},
				{"ids and keyword", &qdrant.Filter{Must: []*qdrant.Condition{
					qdrant.NewHasID(qdrant.NewIDNum(1), qdrant.NewIDNum(2)), qdrant.NewMatch("org", "x"),
				}}, "[1]"},
				{"filter in filter", &qdrant.Filter{MustNot: []*qdrant.Condition{qdrant.NewFilterAsCondition(
					&qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewMatch("org", "x"), qdrant.NewMatch("org", "y")}})}}, "[1 2 4]"},
			}
			for _, tc := range cases {
				ids := []uint64{}
				points, err := c.Scroll(t.Context(), &qdrant.ScrollPoints{CollectionName: "a", Filter: tc.f})
				must(t, err)
				for _, p := range points {
					ids = append(ids, p.GetId().GetNum())
				}
				if got := fmt.Sprint(ids); got != tc.want {
					t.Errorf("%s: scroll %s, want %s", tc.name, got, tc.want)
				}
				if got := len(search(t, c, "a", tc.f, map[uint32]float32{1: 1})); got != len(ids) {
					t.Errorf("%s: query found %d, scroll %d", tc.name, got, len(ids))
				}
				n, err := c.Count(t.Context(), &qdrant.CountPoints{CollectionName: "a", Filter: tc.f})
				must(t, err)
				if int(n) != len(ids) { // a count
					t.Errorf("%s: counted %d, scrolled %d", tc.name, n, len(ids))
				}
			}
		})
	}
}

func TestDenseIsExactCosine(t *testing.T) {
	_, c := open(t, t.TempDir(), Options{})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	in := &qdrant.UpsertPoints{CollectionName: "a"}
	for i, v := range [][]float32{{10, 0}, {1, 1}, {0, 3}} {
		in.Points = append(in.Points, &qdrant.PointStruct{
			Id:      qdrant.NewIDNum(uint64(i)), // small
			Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{"d": qdrant.NewVectorDense(v)}),
		})
	}
	_, err := c.Upsert(t.Context(), in)
	must(t, err)
	hits, err := c.Query(t.Context(), &qdrant.QueryPoints{
		CollectionName: "a", Query: qdrant.NewQueryDense([]float32{2, 0}), Using: qdrant.PtrOf("d"), Limit: qdrant.PtrOf(uint64(2)),
	})
	must(t, err)
	if len(hits) != 2 || hits[0].GetId().GetNum() != 0 || hits[1].GetId().GetNum() != 1 {
		t.Fatalf("hits %v", hits)
	}
	near(t, hits[0].GetScore(), 1)
	near(t, hits[1].GetScore(), math.Sqrt2/2)
}

func TestRefusals(t *testing.T) {
	_, c := open(t, t.TempDir(), Options{Limits: Limits{
		BatchPoints: 2, PayloadBytes: 64, DenseDimensions: 4, SparseElements: 2, ResultPoints: 10, FilterConditions: 2, Collections: 1, MessageBytes: 1 << 20,
	}})
	ctx := t.Context()
	must(t, c.CreateCollection(ctx, definition("a")))
	put := func(points ...*qdrant.PointStruct) error {
		_, err := c.Upsert(ctx, &qdrant.UpsertPoints{CollectionName: "a", Points: points})
		return err
	}
	query := func(q *qdrant.QueryPoints) error {
		q.CollectionName = "a"
		_, err := c.Query(ctx, q)
		return err
	}
	ok := doc{1, map[uint32]float32{1: 1}, nil}.point()
	bad := func(change func(*qdrant.PointStruct)) *qdrant.PointStruct {
		p := doc{1, map[uint32]float32{1: 1}, nil}.point()
		change(p)
		return p
	}
	cases := []struct {
		name string
		err  error
		code codes.Code
	}{
		{"taken name", c.CreateCollection(ctx, definition("a")), codes.AlreadyExists},
		{"too many collections", c.CreateCollection(ctx, definition("b")), codes.InvalidArgument},
		{"path in name", c.CreateCollection(ctx, definition("../b")), codes.InvalidArgument},
		{"too many points", put(ok, ok, ok), codes.InvalidArgument},
		{"payload", put(bad(func(p *qdrant.PointStruct) {
			p.Payload = qdrant.NewValueMap(map[string]any{"x": string(make([]byte, 100))})
		})), codes.InvalidArgument},
		{"no vectors", put(bad(func(p *qdrant.PointStruct) { p.Vectors = nil })), codes.InvalidArgument},
		{"no id", put(bad(func(p *qdrant.PointStruct) { p.Id = nil })), codes.InvalidArgument},
		{"bad uuid", put(bad(func(p *qdrant.PointStruct) { p.Id = qdrant.NewID("x") })), codes.InvalidArgument},
		{"too many elements", put(doc{1, map[uint32]float32{1: 1, 2: 1, 3: 1}, nil}.point()), codes.InvalidArgument},
		{"not a number", put(doc{1, map[uint32]float32{1: float32(math.NaN())}, nil}.point()), codes.InvalidArgument},
		{"twice the same index", put(bad(func(p *qdrant.PointStruct) {
			p.Vectors = qdrant.NewVectorsMap(map[string]*qdrant.Vector{"s": qdrant.NewVectorSparse([]uint32{1, 1}, []float32{1, 1})})
		})), codes.InvalidArgument},
		{"dimensions", put(bad(func(p *qdrant.PointStruct) {
			p.Vectors = qdrant.NewVectorsMap(map[string]*qdrant.Vector{"d": qdrant.NewVectorDense([]float32{1})})
		})), codes.InvalidArgument},
		{"unknown vector", query(&qdrant.QueryPoints{Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1}), Using: qdrant.PtrOf("z")}), codes.InvalidArgument},
		{"limit", query(&qdrant.QueryPoints{Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1}), Using: qdrant.PtrOf("s"), Limit: qdrant.PtrOf(uint64(11))}), codes.InvalidArgument},
		{"fusion", query(&qdrant.QueryPoints{Query: qdrant.NewQueryFusion(qdrant.Fusion_RRF)}), codes.Unimplemented},
		{"filter size", query(&qdrant.QueryPoints{
			Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1}), Using: qdrant.PtrOf("s"),
			Filter: &qdrant.Filter{Must: []*qdrant.Condition{qdrant.NewHasID(ok.GetId(), ok.GetId(), ok.GetId())}},
		}), codes.InvalidArgument},
	}
	for _, tc := range cases {
		if got := status.Code(tc.err); got != tc.code {
			t.Errorf("%s: %v (%v), want %v", tc.name, got, tc.err, tc.code)
		}
	}
	_, err := c.Count(ctx, &qdrant.CountPoints{CollectionName: "none"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("missing collection: %v", err)
	}
	if _, err := c.ListAliases(ctx); status.Code(err) != codes.Unimplemented {
		t.Errorf("aliases: %v", err)
	}
}

func TestPayloadSelectors(t *testing.T) {
	_, c := open(t, t.TempDir(), Options{})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	upsert(t, c, "a", doc{1, map[uint32]float32{1: 1}, map[string]any{"x": "1", "y": map[string]any{"z": 2}}})
	for want, sel := range map[string]*qdrant.WithPayloadSelector{
		"x y": qdrant.NewWithPayload(true),
		"":    qdrant.NewWithPayload(false),
		"x":   qdrant.NewWithPayloadInclude("x", "none"),
		"y":   qdrant.NewWithPayloadExclude("x"),
	} {
		keys := func(p map[string]*qdrant.Value) string { return strings.Join(slices.Sorted(maps.Keys(p)), " ") }
		hits, err := c.Query(t.Context(), &qdrant.QueryPoints{
			CollectionName: "a", Query: qdrant.NewQuerySparse([]uint32{1}, []float32{1}), Using: qdrant.PtrOf("s"), WithPayload: sel,
		})
		must(t, err)
		got, err := c.Get(t.Context(), &qdrant.GetPoints{CollectionName: "a", Ids: []*qdrant.PointId{qdrant.NewIDNum(1)}, WithPayload: sel})
		must(t, err)
		if keys(hits[0].GetPayload()) != want || keys(got[0].GetPayload()) != want || len(hits[0].ProtoReflect().GetUnknown()) > 0 {
			t.Errorf("query %v, get %v, want %q", hits[0].GetPayload(), got[0].GetPayload(), want)
		}
		if v := got[0].GetPayload()["y"]; v != nil && v.GetStructValue().GetFields()["z"].GetIntegerValue() != 2 {
			t.Errorf("nested value %v", v)
		}
	}
}

func TestScrollPages(t *testing.T) {
	_, c := open(t, t.TempDir(), Options{})
	must(t, c.CreateCollection(t.Context(), definition("a")))
	in := &qdrant.UpsertPoints{CollectionName: "a"}
	for i := range 7 {
		id := qdrant.NewIDNum(uint64(i)) // small
		if i%2 == 1 {
			id = qdrant.NewID(uuid.NewString())
		}
		in.Points = append(in.Points, &qdrant.PointStruct{Id: id, Vectors: qdrant.NewVectorsMap(map[string]*qdrant.Vector{})})
	}
	_, err := c.Upsert(t.Context(), in)
	must(t, err)
	seen := map[string]bool{}
	var next *qdrant.PointId
	for {
		points, offset, err := c.ScrollAndOffset(t.Context(), &qdrant.ScrollPoints{CollectionName: "a", Offset: next, Limit: qdrant.PtrOf(uint32(3))})
		must(t, err)
		for _, p := range points {
			seen[p.GetId().String()] = true
		}
		if next = offset; next == nil {
			break
		}
	}
	if len(seen) != 7 {
		t.Errorf("saw %d of 7", len(seen))
	}
}

// Whatever is done, the state after reopening equals a plain map's, and every
// query score equals one computed from scratch.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir := t.TempDir()
		s, c := open(t, dir, Options{Sync: SyncNever, CompactBytes: 512})
		must(t, c.CreateCollection(t.Context(), definition("a")))
		model := map[uint64]doc{}
		for range rapid.IntRange(1, 25).Draw(r, "steps") {
			id := rapid.Uint64Range(0, 6).Draw(r, "id")
			if rapid.Bool().Draw(r, "delete") {
				delete(model, id)
				_, err := c.Delete(t.Context(), &qdrant.DeletePoints{CollectionName: "a", Points: qdrant.NewPointsSelector(qdrant.NewIDNum(id))})
				must(t, err)
				continue
			}
			terms := rapid.MapOfN(rapid.Uint32Range(0, 5), rapid.Float32Range(0.1, 3), 1, 4).Draw(r, "terms")
			model[id] = doc{id, terms, map[string]any{"v": fmt.Sprint(terms)}}
			upsert(t, c, "a", model[id])
		}
		query := rapid.MapOfN(rapid.Uint32Range(0, 5), rapid.Float32Range(0.1, 3), 1, 3).Draw(r, "query")
		checkScores(t, model, query, search(t, c, "a", nil, query))
		_ = c.Close()
		must(t, s.Close())
		got, err := reopen(t, dir)
		must(t, err)
		if len(got) != len(model) {
			t.Fatalf("%d points after reopening, want %d", len(got), len(model))
		}
		for id, d := range model {
			if got[id] != d.payload["v"] {
				t.Fatalf("point %d: %q, want %q", id, got[id], d.payload["v"])
			}
		}
	})
}

func checkScores(t *testing.T, model map[uint64]doc, query map[uint32]float32, hits []*qdrant.ScoredPoint) {
	t.Helper()
	want := map[uint64]float64{}
	for term, weight := range query {
		df := 0.0
		for _, d := range model {
			if _, ok := d.terms[term]; ok {
				df++
			}
		}
		for id, d := range model {
			if v, ok := d.terms[term]; ok {
				want[id] += float64(v) * float64(weight) * idf(float64(len(model)), df)
			}
		}
	}
	if len(hits) != len(want) {
		t.Fatalf("%d hits, want %d", len(hits), len(want))
	}
	for i, h := range hits {
		if math.Abs(float64(h.GetScore())-want[h.GetId().GetNum()]) > 1e-4 {
			t.Fatalf("point %d scores %v, want %v", h.GetId().GetNum(), h.GetScore(), want[h.GetId().GetNum()])
		}
		if i > 0 && h.GetScore() > hits[i-1].GetScore() {
			t.Fatal("hits are not in order")
		}
	}
}

func BenchmarkSparseQuery(b *testing.B) {
	s, c := open(b, b.TempDir(), Options{Sync: SyncNever})
	must(b, c.CreateCollection(b.Context(), definition("a")))
	for batch := range uint64(20) {
		docs := make([]doc, 500)
		for i := range docs {
			terms := map[uint32]float32{}
			for j := range uint32(60) {
				terms[(uint32(i)*7919+j*j*31+uint32(batch))%5000] = 1 // any spread will do
			}
			docs[i] = doc{batch*500 + uint64(i), terms, map[string]any{"org": "x"}} // small
		}
		upsert(b, c, "a", docs...)
	}
	_ = s
	q := map[uint32]float32{1: 1, 50: 1, 99: 1, 1234: 1, 4000: 1}
	b.ReportAllocs()
	for b.Loop() {
		search(b, c, "a", nil, q)
	}
}

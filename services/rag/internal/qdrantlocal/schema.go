package qdrantlocal

import (
	"math"
	"slices"

	"github.com/qdrant/go-client/qdrant"
)

// schema is what a collection's definition says about vectors.
type schema struct {
	dense  map[string]denseParams
	sparse map[string]bool // name → whether the IDF modifier applies
}

type denseParams struct {
	size   int
	cosine bool // else dot
}

func schemaOf(def *qdrant.CreateCollection, limits Limits) (schema, error) {
	s := schema{dense: map[string]denseParams{}, sparse: map[string]bool{}}
	params := map[string]*qdrant.VectorParams{}
	switch c := def.GetVectorsConfig().GetConfig().(type) {
	case *qdrant.VectorsConfig_Params:
		params[""] = c.Params
	case *qdrant.VectorsConfig_ParamsMap:
		params = c.ParamsMap.GetMap()
	}
	for name, p := range params {
		if p.GetSize() == 0 || p.GetSize() > uint64(max(limits.DenseDimensions, 0)) { // not negative
			return s, invalid("vector `%s`: size must be from 1 to %d", name, limits.DenseDimensions)
		}
		if p.GetMultivectorConfig() != nil {
			return s, unimplemented("a multi-vector")
		}
		d := p.GetDistance()
		if d != qdrant.Distance_Cosine && d != qdrant.Distance_Dot {
			return s, unimplemented("distance " + d.String())
		}
		s.dense[name] = denseParams{size: int(p.GetSize()), cosine: d == qdrant.Distance_Cosine} // bounded above
	}
	for name, p := range def.GetSparseVectorsConfig().GetMap() {
		if name == "" {
			return s, invalid("a sparse vector needs a name")
		}
		s.sparse[name] = p.GetModifier() == qdrant.Modifier_Idf
	}
	return s, nil
}

// vectors are one point's vectors in stored form.
type vectors struct {
	dense  map[string][]float32
	sparse map[string]sparseVector
}

// sparseVector holds its elements in ascending order of index.
type sparseVector struct {
	indices []uint32
	values  []float32
}

// vectorsOf checks a point's vectors against the schema. The API's older way of
// writing a vector, which the client no longer uses, is refused.
func (s schema) vectorsOf(in *qdrant.Vectors, limits Limits) (vectors, error) {
	var out vectors
	named := map[string]*qdrant.Vector{}
	switch v := in.GetVectorsOptions().(type) {
	case *qdrant.Vectors_Vector:
		named[""] = v.Vector
	case *qdrant.Vectors_Vectors:
		named = v.Vectors.GetVectors()
	default:
		return out, invalid("Expected some vectors")
	}
	for name, v := range named {
		if p, ok := s.dense[name]; ok {
			d, err := denseOf(v, p)
			if err != nil {
				return out, err
			}
			if out.dense == nil {
				out.dense = map[string][]float32{}
			}
			out.dense[name] = d
			continue
		}
		if _, ok := s.sparse[name]; !ok {
			return out, noVector(name)
		}
		sp, err := sparseOf(v, limits)
		if err != nil {
			return out, err
		}
		if out.sparse == nil {
			out.sparse = map[string]sparseVector{}
		}
		out.sparse[name] = sp
	}
	return out, nil
}

func noVector(name string) error { return invalid("Not existing vector name error: %s", name) }

func denseOf(v *qdrant.Vector, p denseParams) ([]float32, error) {
	if v.GetDense() == nil {
		return nil, invalid("Expected a dense vector")
	}
	return checkedDense(v.GetDense().GetData(), p)
}

// checkedDense copies a vector; for cosine it is scaled to length one, as
// Qdrant stores it.
func checkedDense(data []float32, p denseParams) ([]float32, error) {
	if len(data) != p.size {
		return nil, invalid("Vector dimension error: expected dim: %d, got %d", p.size, len(data))
	}
	if !finite(data) {
		return nil, invalid("a vector holds a value that is not finite")
	}
	out := slices.Clone(data)
	if !p.cosine {
		return out, nil
	}
	var sum float64
	for _, x := range out {
		sum += float64(x) * float64(x)
	}
	if sum > 0 {
		inv := float32(1 / math.Sqrt(sum))
		for i := range out {
			out[i] *= inv
		}
	}
	return out, nil
}

func sparseOf(v *qdrant.Vector, limits Limits) (sparseVector, error) {
	if sp := v.GetSparse(); sp != nil {
		return checkedSparse(sp.GetIndices(), sp.GetValues(), limits)
	}
	return sparseVector{}, invalid("Expected a sparse vector")
}

func checkedSparse(indices []uint32, values []float32, limits Limits) (sparseVector, error) {
	switch {
	case len(indices) != len(values):
		return sparseVector{}, invalid("must be the same length as indices")
	case len(indices) > limits.SparseElements:
		return sparseVector{}, invalid("a sparse vector may hold %d elements", limits.SparseElements)
	case !finite(values):
		return sparseVector{}, invalid("a vector holds a value that is not finite")
	}
	order := make([]int, len(indices))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return compareUint32(indices[a], indices[b]) })
	out := sparseVector{indices: make([]uint32, len(indices)), values: make([]float32, len(values))}
	for i, at := range order {
		out.indices[i], out.values[i] = indices[at], values[at]
		if i > 0 && out.indices[i] == out.indices[i-1] {
			return sparseVector{}, invalid("indices must be unique")
		}
	}
	return out, nil
}

func compareUint32(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func finite(values []float32) bool {
	for _, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}

package qdrantlocal

import (
	"math"
	"slices"
	"sync"
)

// invertedIndex holds one named sparse vector of all points by element.
type invertedIndex struct {
	idf      bool
	postings map[uint32]*posting
	vectors  int // points that have this vector
}

// posting lists the points with a non-zero element, by rising slot. Some may
// be empty by now; live counts those that are not, which is the document
// frequency.
type posting struct {
	slots  []uint32
	values []float32
	live   int
}

func newInvertedIndex(idf bool) *invertedIndex {
	return &invertedIndex{idf: idf, postings: map[uint32]*posting{}}
}

func (x *invertedIndex) add(slot uint32, v sparseVector) {
	x.vectors++
	for i, element := range v.indices {
		p := x.postings[element]
		if p == nil {
			p = &posting{}
			x.postings[element] = p
		}
		p.slots = append(p.slots, slot)
		p.values = append(p.values, v.values[i])
		p.live++
	}
}

func (x *invertedIndex) drop(v sparseVector, alive func(uint32) bool) {
	x.vectors--
	for _, element := range v.indices {
		p := x.postings[element]
		p.live--
		if p.live == 0 {
			delete(x.postings, element)
			continue
		}
		if len(p.slots) > 2*p.live+16 {
			p.purge(alive)
		}
	}
}

func (p *posting) purge(alive func(uint32) bool) {
	n := 0
	for i, slot := range p.slots {
		if alive(slot) {
			p.slots[n], p.values[n] = slot, p.values[i]
			n++
		}
	}
	p.slots, p.values = slices.Clip(p.slots[:n]), slices.Clip(p.values[:n])
}

// weighted is the query with the modifier applied. Qdrant's IDF for n vectors
// of which df hold the element is ln((n - df + 0.5) / (df + 0.5) + 1).
func (x *invertedIndex) weighted(q sparseVector) sparseVector {
	if !x.idf {
		return q
	}
	out := sparseVector{indices: q.indices, values: slices.Clone(q.values)}
	n := float64(x.vectors)
	for i, element := range q.indices {
		df := 0.0
		if p := x.postings[element]; p != nil {
			df = float64(p.live)
		}
		out.values[i] *= float32(math.Log((n-df+0.5)/(df+0.5) + 1))
	}
	return out
}

// accumulator sums scores by slot; pooled, because it is as long as the index.
type accumulator struct {
	scores  []float32
	seen    []bool
	touched []uint32
}

var accumulators = sync.Pool{New: func() any { return new(accumulator) }}

func (a *accumulator) reset(n int) {
	for _, slot := range a.touched {
		a.scores[slot], a.seen[slot] = 0, false
	}
	a.touched = a.touched[:0]
	if len(a.scores) < n {
		a.scores, a.seen = make([]float32, n), make([]bool, n)
	}
}

// scoreAll gives every point that shares an element with the query, by
// walking the posting lists.
func (x *invertedIndex) scoreAll(q sparseVector, slots int, visit func(slot uint32, score float32)) {
	a := accumulators.Get().(*accumulator) // the pool holds nothing else
	defer accumulators.Put(a)
	a.reset(slots)
	for i, element := range q.indices {
		p := x.postings[element]
		if p == nil {
			continue
		}
		w := q.values[i]
		for j, slot := range p.slots {
			if !a.seen[slot] {
				a.seen[slot] = true
				a.touched = append(a.touched, slot)
			}
			a.scores[slot] += w * p.values[j]
		}
	}
	for _, slot := range a.touched {
		visit(slot, a.scores[slot])
	}
}

// dot is the score of one stored vector; false where no element is shared.
func (v sparseVector) dot(q sparseVector) (float32, bool) {
	var sum float32
	shared := false
	for i, j := 0, 0; i < len(v.indices) && j < len(q.indices); {
		switch {
		case v.indices[i] < q.indices[j]:
			i++
		case v.indices[i] > q.indices[j]:
			j++
		default:
			sum += v.values[i] * q.values[j]
			shared = true
			i++
			j++
		}
	}
	return sum, shared
}

// Package sparse turns text into BM25 term weights as sparse vectors.
//
// The document side holds the saturated term frequencies,
//
//	tf · (k1 + 1) / (tf + k1 · (1 - b + b · length / average))
//
// (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009), the
// query side the number of times a term was asked for. The inverse document
// frequency is the store's part, because only the store knows how many
// documents there are now.
package sparse

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
)

// Params shape the document side. They are part of what an index means:
// documents weighted under other parameters must be ingested again.
type Params struct {
	// K1 is how slowly repeated terms saturate; above 0, 0.6 to 2 is usual.
	K1 float64
	// B is how much long texts are discounted, 0 to 1.
	B float64
	// AverageLength is the length, in terms, of a text that is not discounted
	// at all. It is a constant and not measured, so that a document's weights
	// do not depend on the others.
	AverageLength float64
	// TitleWeight is how many times a term in the title or the headings above
	// counts.
	TitleWeight float64
}

// DefaultParams were chosen on the development sets; the evaluation test
// holds the figures.
func DefaultParams() Params {
	return Params{K1: 1.6, B: 0.75, AverageLength: 100, TitleWeight: 1}
}

// Version names the way of turning text into terms. It changes when the terms
// of an unchanged text do.
const Version = "bm25-en-1"

// Fingerprint identifies the parameters and the version.
func (p Params) Fingerprint() string {
	return fmt.Sprintf("%s/%g/%g/%g/%g", Version, p.K1, p.B, p.AverageLength, p.TitleWeight)
}

// Vector is a sparse vector, by rising index.
type Vector struct {
	Indices []uint32
	Values  []float32
}

// Document weighs a text for storing. Title is what stands above the text:
// the document's title and the headings.
func (p Params) Document(title, text string) Vector {
	counts := map[uint32]float64{}
	length := 0.0
	Terms(text, func(term string) {
		counts[hash(term)]++
		length++
	})
	if p.TitleWeight > 0 {
		Terms(title, func(term string) {
			counts[hash(term)] += p.TitleWeight
			length++
		})
	}
	norm := p.K1 * (1 - p.B + p.B*length/p.AverageLength)
	for t, tf := range counts {
		counts[t] = tf * (p.K1 + 1) / (tf + norm)
	}
	return vector(counts)
}

// maxQueryTerms bounds the different terms of a query; of a longer text those
// asked for most often are kept, and among equals the first by index.
const maxQueryTerms = 128

// Query weighs a question: each term counts as often as it is asked for.
func Query(text string) Vector {
	counts := map[uint32]float64{}
	Terms(text, func(term string) { counts[hash(term)]++ })
	if len(counts) > maxQueryTerms {
		keys := slices.SortedFunc(maps.Keys(counts), func(a, b uint32) int {
			return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
		})
		for _, k := range keys[maxQueryTerms:] {
			delete(counts, k)
		}
	}
	return vector(counts)
}

func vector(weights map[uint32]float64) Vector {
	v := Vector{Indices: make([]uint32, 0, len(weights)), Values: make([]float32, 0, len(weights))}
	for t := range weights {
		v.Indices = append(v.Indices, t)
	}
	slices.Sort(v.Indices)
	for _, t := range v.Indices {
		v.Values = append(v.Values, float32(weights[t]))
	}
	return v
}

// hash maps a term to its element. With 100,000 different terms about one
// pair collides, and then two rare terms are taken for one another.
func hash(term string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(term))
	return h.Sum32()
}

// Plus adds another vector, weighted.
func (v Vector) Plus(o Vector, weight float32) Vector {
	sum := map[uint32]float64{}
	for i, x := range v.Indices {
		sum[x] += float64(v.Values[i])
	}
	for i, x := range o.Indices {
		sum[x] += float64(o.Values[i] * weight)
	}
	return vector(sum)
}

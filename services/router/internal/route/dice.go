package route

import (
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
)

// dice draws the numbers of decisions. They follow from a seed and a count
// (splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", 2014), so that what is foreseen is what is decided next, no lock
// is taken, and a simulation can be repeated.
type dice struct {
	seed  uint64
	count atomic.Uint64
}

// golden is the odd number nearest to 2^64 divided by the golden ratio.
const golden = 0x9e3779b97f4a7c15

func newDice(seed uint64) *dice {
	if seed == 0 {
		seed = rand.Uint64()
	}
	return &dice{seed: seed}
}

// roll draws the number of a decision. Without commit the next roll is the same.
func (d *dice) roll(commit bool) uint64 {
	var n uint64
	if commit {
		n = d.count.Add(1)
	} else {
		n = d.count.Load() + 1
	}
	return mix(d.seed + n*golden)
}

// mix spreads every bit of x over all bits.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// unit makes a number above 0 and below 1 of x.
func unit(x uint64) float64 { return (float64(x>>11) + .5) / (1 << 53) }

// below makes a number from 0 to n-1 of x.
func below(x uint64, n int) int {
	high, _ := bits.Mul64(x, uint64(n))
	return int(high)
}

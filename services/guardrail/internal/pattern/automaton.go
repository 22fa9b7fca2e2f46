// Package pattern is the prefilter of all checks: one Aho-Corasick automaton
// over every literal that any check waits for, run once over the text, one
// table look-up a byte. Its state is one number, so it runs over a stream.
//
// It reads letters without case and digits that stand for letters as those
// letters (1gn0r3), so it may report more than was asked for and never less.
// Whoever is triggered looks closely.
package pattern

import (
	"maps"
	"slices"
)

// Literal is a string to wait for, and the groups that it wakes.
type Literal struct {
	Text   string
	Groups Groups
}

// Groups is a set of trigger groups, one bit each.
type Groups uint32

// State is a position in an Automaton. The zero value is the beginning. It is
// the offset of the state's row, with the top bit set where a literal ends.
type State uint32

const ends State = 1 << 31

// Ends reports whether a literal ends at this state.
func (s State) Ends() bool { return s&ends != 0 }

// maxStates bounds the table: it has to stay in the processor's caches.
const maxStates = 1<<16 - 1

// Automaton finds literals in text. It is immutable and safe to share.
type Automaton struct {
	class  [256]uint8
	stride int
	next   []State
	out    []Groups
}

type trieNode struct {
	children map[uint8]int
	out      Groups
}

// New builds an automaton. It holds at most 65,535 states; literals beyond
// that are refused by returning false.
func New(literals []Literal) (*Automaton, bool) {
	a := &Automaton{}
	a.assignClasses(literals)
	trie := []trieNode{{children: map[uint8]int{}}}
	for _, l := range literals {
		at := 0
		for i := 0; i < len(l.Text); i++ {
			c := a.class[l.Text[i]]
			to, ok := trie[at].children[c]
			if !ok {
				to = len(trie)
				trie = append(trie, trieNode{children: map[uint8]int{}})
				trie[at].children[c] = to
			}
			at = to
		}
		if at != 0 {
			trie[at].out |= l.Groups
		}
	}
	if len(trie) > maxStates {
		return nil, false
	}
	a.link(trie)
	return a, true
}

// link turns the trie into a table without failure links. States are numbered
// breadth first, so that the rows that ordinary text visits lie together.
func (a *Automaton) link(trie []trieNode) {
	order, number := breadthFirst(trie)
	a.next = make([]State, len(trie)*a.stride)
	a.out = make([]Groups, len(trie))
	fail := make([]int, len(trie)) // by number
	for n, node := range order {
		row := a.next[n*a.stride : (n+1)*a.stride]
		a.out[n] = trie[node].out
		if n > 0 {
			a.out[n] |= a.out[fail[n]]
			copy(row, a.next[fail[n]*a.stride:])
		}
		for c, child := range trie[node].children {
			fail[number[child]] = int(row[c]) / a.stride
			row[c] = State(number[child] * a.stride)
		}
	}
	for i, s := range a.next {
		if a.out[int(s)/a.stride] != 0 {
			a.next[i] |= ends
		}
	}
}

func breadthFirst(trie []trieNode) (order, number []int) {
	order, number = []int{0}, make([]int, len(trie))
	for k := 0; k < len(order); k++ {
		number[order[k]] = k
		for _, c := range slices.Sorted(maps.Keys(trie[order[k]].children)) {
			order = append(order, trie[order[k]].children[c])
		}
	}
	return order, number
}

// assignClasses gives every byte that occurs in a literal a class of its own;
// all others share class 0, which leads back to the beginning.
func (a *Automaton) assignClasses(literals []Literal) {
	n := uint8(1)
	for _, l := range literals {
		for i := 0; i < len(l.Text); i++ {
			if r := Reads(l.Text[i]); a.class[r] == 0 {
				a.class[r] = n
				n++
			}
		}
	}
	a.stride = int(n)
	for b := range 256 {
		a.class[b] = a.class[Reads(byte(b))]
	}
}

// Step moves on by one byte.
func (a *Automaton) Step(s State, b byte) State {
	return a.next[int(s&^ends)+int(a.class[b])]
}

// Out says which groups have a literal that ends at this state.
func (a *Automaton) Out(s State) Groups { return a.out[int(s&^ends)/a.stride] }

var reads = func() (t [256]byte) {
	for i := range t {
		b := byte(i)
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		t[i] = b
	}
	for from, to := range map[byte]byte{
		'0': 'o', '1': 'i', '!': 'i', '|': 'i', 'l': 'i', 'L': 'i', '3': 'e',
		'4': 'a', '@': 'a', '5': 's', '$': 's', '7': 't',
	} {
		t[from] = to
	}
	return t
}()

// Reads returns the byte that the automaton takes b for: lower case, and the
// letter that a digit or sign is commonly written for. i, l and 1 are one.
func Reads(b byte) byte { return reads[b] }

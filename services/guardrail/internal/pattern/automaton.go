// Package pattern is the prefilter of all checks: one Aho-Corasick automaton
// over every literal that any check waits for, run once over the text, one
// table look-up a byte. Its state is one number, so it runs over a stream.
//
// It reads letters without case and digits that stand for letters as those
// letters (1gn0r3), so it may report more than was asked for and never less.
// Whoever is triggered looks closely.
package pattern

// Literal is a string to wait for, and the groups that it wakes.
type Literal struct {
	Text   string
	Groups Groups
}

// Groups is a set of trigger groups, one bit each.
type Groups uint32

// State is a position in an Automaton. The zero value is the beginning.
type State uint16

// Automaton finds literals in text. It is immutable and safe to share.
type Automaton struct {
	class  [256]uint8
	stride int
	next   []State
	out    []Groups
}

// New builds an automaton. It holds at most 65,535 states; literals beyond
// that are refused by returning false.
func New(literals []Literal) (*Automaton, bool) {
	a := &Automaton{}
	a.assignClasses(literals)
	trie := []map[uint8]int{{}}
	a.out = []Groups{0}
	for _, l := range literals {
		at := 0
		for i := 0; i < len(l.Text); i++ {
			c := a.class[l.Text[i]]
			to, ok := trie[at][c]
			if !ok {
				to = len(trie)
				trie = append(trie, map[uint8]int{})
				a.out = append(a.out, 0)
				trie[at][c] = to
			}
			at = to
		}
		if at != 0 {
			a.out[at] |= l.Groups
		}
	}
	if len(trie) > 1<<16-1 {
		return nil, false
	}
	a.link(trie)
	return a, true
}

// link turns the trie into a table without failure links, breadth first.
func (a *Automaton) link(trie []map[uint8]int) {
	a.next = make([]State, len(trie)*a.stride)
	fail := make([]int, len(trie))
	queue := make([]int, 0, len(trie))
	for c, to := range trie[0] {
		a.next[c] = State(to)
		queue = append(queue, to)
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		a.out[at] |= a.out[fail[at]]
		row := a.next[at*a.stride : (at+1)*a.stride]
		copy(row, a.next[fail[at]*a.stride:(fail[at]+1)*a.stride])
		for c, to := range trie[at] {
			fail[to] = int(row[c])
			row[c] = State(to)
			queue = append(queue, to)
		}
	}
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
	return a.next[int(s)*a.stride+int(a.class[b])]
}

// Out says which groups have a literal that ends at this state.
func (a *Automaton) Out(s State) Groups { return a.out[s] }

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
